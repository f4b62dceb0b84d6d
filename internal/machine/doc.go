// Package machine holds every rule about how a run may change, as pure functions: from a record and an input to the record that
// it becomes, or to the reason why not. It has no clock, no I/O, no randomness and no generics; time and chance come in as
// arguments. Steps, callbacks, timeouts, the command line, the pages and the tests all get their changes from here.
//
// # What a run can be
//
//	  trigger
//	     |
//	     v
//	Initiated ---step, callback, timeout---> Running ---into a terminal status---> Completed
//	     |   \                                 |  ^                                    |
//	     |    `---------pause-----------.      |  | resume                             |
//	     |                               v     v  |                                    |
//	     |                               Paused --'                                    |
//	     |                                 |                                           |
//	     `-------------cancel--------------+----cancel----> Cancelled                  |
//	                                                            |                      |
//	                                                            `---- delete data -----+
//	                                                                                   v
//	                              DataDeleted <--the data is scrubbed-- RequestedDataDeleted
//
// Every arrow is one new version. A failed attempt is none: it changes its delivery (see Retry), not the run. A paused run
// remembers who paused it, and the engine resumes only what the engine paused.
//
// An operator's override (Force) leads from any state but the last two into Running, or into Completed where nothing leads out of the status.
//
// # How it fails
//
// A move that the rules forbid returns a [*TransitionError], which matches [ErrInvalidTransition]; a move of a run that has ended
// matches [ErrFinished] too, one of a paused run [ErrPaused]. No function changes the record that it is given.
package machine
