module github.com/stillwater-go/workflow

go 1.26.0
