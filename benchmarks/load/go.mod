module github.com/stillwater-go/workflow/benchmarks/load

go 1.26.0
