// Package webui is a small web front over any workflow.RecordStore, under the predecessor's names: a page that lists runs, the JSON that it
// reads, and a handler that pauses, resumes, cancels and deletes. Mount each handler where you like and tell the page by [Paths].
//
// # Who may do what
//
// The handlers that read have no sign-in of their own: whoever reaches them sees the runs and their objects. Put your own check before them.
// [UpdateHandlerFunc] answers "forbidden" to everything; [UpdateHandlerFuncWith] asks your function about every change.
//
// # What it promises
//
// Stored data reaches the browser as JSON alone, and the page shows it as text; its policy (CSP) forbids any other script or source. Answers are
// not cached or sniffed. Changes come only as POST with JSON, from the same origin, and only for the version that their sender has seen. Pages of
// the listing have at most 200 runs, bodies at most 64 KiB. Errors of the store are not shown, because they may tell of more than
// the reader may know; wrap the store to see them.
//
// # The JSON
//
// [ListHandlerFunc], GET: the parameters workflow_name, foreign_id, status (a number), run_state (a number or a name such as Paused), offset,
// limit (1 to 200, 50 by default) and order (asc or desc, the default). All may be left out; foreign_id, status and run_state may be repeated.
//
//	{"runs": [{"workflow_name": "orders", "foreign_id": "order-7", "run_id": "…", "version": 4, "run_state": 3, "run_state_name": "Paused",
//	           "status": 2, "status_name": "Charged", "reason": "…", "trace_origin": "…", "created_at": "2026-11-23T12:00:00Z",
//	           "updated_at": "2026-11-23T12:00:04Z"}],
//	 "offset": 0, "limit": 50, "more": true}
//
// [ObjectDataHandlerFunc], GET: the parameter run_id. An object that is no JSON comes as "object_base64" instead of "object"; one that is longer than
// an object may be comes not at all.
//
//	{"run_id": "…", "version": 4, "size": 21, "object": {"amount": 1250}}
//
// [UpdateHandlerFunc], POST: the action is pause, resume, cancel or delete (the run's data), the version the one that the sender saw. Only a
// resume needs no reason.
//
//	{"run_id": "…", "action": "pause", "version": 4, "reason": "customer called"}
//
// is answered with the run as the listing shows it. Whatever fails is answered with a status code and {"error": "…"}: 400 a request that cannot be
// read, 403 "forbidden", 404, 405, 409 when the run has moved or its state forbids the action, 413, 415, 500.
package webui
