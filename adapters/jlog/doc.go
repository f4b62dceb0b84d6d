// Package jlog is a workflow.Logger that writes one JSON object per line, by log/slog.
//
// Users pass [New] to workflow.WithLogger. Lines have the fields time, level and msg. A debug line adds its meta, in the order of
// the keys. An error line has the whole text as msg and, where the error carries them, the parts op, workflow, run_id, hint and error (the
// cause alone), so that lines can be searched by run.
//
// A line goes out in one write. What the writer or handler fails with is lost: a logger must not stop a run. Objects and payloads never appear,
// because they never appear in errors or meta.
package jlog
