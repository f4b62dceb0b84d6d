// Package memstreamer is an event streamer in the memory of one process: one log per topic, and receivers that sleep
// until an event of their own topic arrives. It is made for production where events need not outlive the process, and for
// tests.
//
// # What it owns
//
// [New] makes a [StreamConstructor], which owns the topics. Each topic has its log of events, one cursor per receiver name,
// and a wake-up channel while somebody is parked. [NewConnector] plays a fixed list of events to connector consumers.
// Who calls it: the engine, through the interfaces of package backend.
//
// # What it promises
//
//   - Recv hands out the events of its topic in order and advances; when there is none it parks on channels alone. No call
//     starts a goroutine, and a parked receiver costs no CPU time, however many there are.
//   - Send wakes the receivers parked on its own topic, and nobody else. All of them have an event to take.
//   - An Ack is idempotent and cumulative; it moves the name's cursor once and only forward. Events that were not acked come
//     again to the next receiver of that name, also after Close.
//   - Receivers of one name do not split the events: each reads every event from the cursor that it found when it was made.
//   - Events share nothing: headers are copied once from the sender and once to every receiver.
//
// # What it keeps
//
// A topic keeps an event until the cursor of every name has passed it and every open receiver has read it, and 1,000 events
// more ([MaxPassed]). So its memory is bounded by the slowest name; a name that will not come back is dropped by
// [StreamConstructor.Forget]. A topic without names keeps its last 10,000 events ([MaxUnnamed]). A new name starts at the oldest event that
// is still kept: the topic's first one, unless so many were let go before.
//
// # How it fails
//
// Calls return the context's own error once it has ended, and an error that wraps backend.ErrClosed after Close. Nothing else
// fails. Whoever needs events to survive the process uses a durable backend instead.
package memstreamer
