package backend

// DefaultBuckets is how many buckets a workflow's runs are spread over. It is stored at first use and fixed from then on.
const DefaultBuckets = 16

// BucketOf returns the bucket of a run: FNV-1a (64 bit) of its id, modulo buckets. It never changes, because cursors depend on it.
func BucketOf(runID string, buckets int) int {
	h := uint64(14695981039346656037)
	for i := 0; i < len(runID); i++ {
		h ^= uint64(runID[i])
		h *= 1099511628211
	}
	return int(h % uint64(buckets))
}
