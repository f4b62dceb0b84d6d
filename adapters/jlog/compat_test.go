package jlog_test

import (
	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/jlog"
)

// Every name of the predecessor, in the shape that programs written for it use.
var (
	_ workflow.Logger      = jlog.New()
	_ workflow.BuildOption = workflow.WithLogger(jlog.New())
)
