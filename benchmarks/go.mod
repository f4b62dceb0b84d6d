module github.com/stillwater-go/workflow/benchmarks

go 1.26.0

require (
	github.com/stillwater-go/workflow v0.0.0
	github.com/stillwater-go/workflow/adapters/sqlite v0.0.0
	github.com/stillwater-go/workflow/benchmarks/load v0.0.0
	modernc.org/sqlite v1.61.1
)

replace (
	github.com/stillwater-go/workflow => ..
	github.com/stillwater-go/workflow/adapters/sqlite => ../adapters/sqlite
	github.com/stillwater-go/workflow/benchmarks/load => ./load
)
