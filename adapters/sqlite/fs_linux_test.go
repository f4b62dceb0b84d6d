package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stillwater-go/workflow/backend"
)

// TestNetworkFileSystems: those of other machines are named, those of this one are not.
func TestNetworkFileSystems(t *testing.T) {
	for magic, want := range map[uint32]string{
		0x6969: "NFS", 0x517b: "SMB", 0xfe534d42: "SMB", 0xff534d42: "CIFS", 0x00c36400: "Ceph", 0x01021997: "9P",
		0xef53: "" /* ext4 */, 0x01021994: "" /* tmpfs */, 0x58465342: "" /* xfs */, 0x9123683e: "" /* btrfs */, fuseMagic: "",
	} {
		if got := networkMagic(magic); got != want {
			t.Errorf("networkMagic(%#x) is %q, want %q", magic, got, want)
		}
	}
	for kind, want := range map[string]bool{"fuse.sshfs": true, "fuse.s3fs": true, "fuse.gocryptfs": false, "fuseblk": false, "ext4": false, "": false} {
		if got := networkFuse(kind); got != want {
			t.Errorf("networkFuse(%q) is %v", kind, got)
		}
	}
	if kind := mountType("/proc"); kind != "proc" {
		t.Errorf("mountType(/proc) is %q", kind)
	}
}

// TestFileReplaced: a file that is removed, renamed or replaced while open fails the next commit, and heals when it is back (F6).
func TestFileReplaced(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "store.db")
	b := openAt(t, path)
	commit(t, b, change("r", "f", 1))
	try := func(what string) {
		t.Helper()
		c := change("r", "f", 2)
		if err := b.Commit(t.Context(), []*backend.Change{c}); !errors.Is(err, backend.ErrUnsafeStore) || !errors.Is(c.Err, backend.ErrUnsafeStore) {
			t.Errorf("%s: %v, want ErrUnsafeStore", what, err)
		}
	}
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	try("renamed away")
	write(t, path, "")
	try("replaced")
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	commit(t, b, change("r", "f", 2))
}
