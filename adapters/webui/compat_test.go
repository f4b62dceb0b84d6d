package webui_test

import (
	"context"
	"net/http"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/webui"
)

// Every name of the predecessor, in the shape that programs written for it use.
var (
	_ func(webui.Paths) http.HandlerFunc          = webui.HomeHandlerFunc
	_ func(workflow.RecordStore) http.HandlerFunc = webui.ListHandlerFunc
	_ func(workflow.RecordStore) http.HandlerFunc = webui.ObjectDataHandlerFunc
	_ func(workflow.RecordStore) http.HandlerFunc = webui.UpdateHandlerFunc

	_ = webui.Paths{List: "", Update: "", ObjectData: ""}

	_ webui.Stringer            = func(workflowName string, status int) string { return "" }
	_ webui.ListWorkflowRecords = (*memStore)(nil).List
	_ webui.LookupFn            = func(ctx context.Context, runID string) (*workflow.Record, error) { return nil, nil }
)
