// Package machine holds every rule about how a run may change, as pure functions: from a record and an input to the record that
// it becomes, or to the reason why not. It has no clock, no I/O, no randomness and no generics; time and chance come in as
// arguments. Steps, callbacks, timeouts, the command line, the pages and the tests all get their changes from here.
//
// # What a run can be
//
//	  trigger
//	     |
//	     v
//	Initiated ---step, callback, signal, timeout---> Running ---into a terminal status---> Completed
//	     |   \                                         |  ^ ^                                   |   |
//	     |    `------------pause---------------.       |  | `---------force---------------------+   |
//	     |                                      v      v  | resume                              |   |
//	     |                                      Paused ---'                                     |   |
//	     |                                        |                                             |   |
//	     `-----------cancel or deadline-----------+-------> Cancelled ------------force---------'   |
//	                                                            |                                   |
//	                                                            `---------- delete data ------------+
//	                                                                                                v
//	                                       DataDeleted <---the data is scrubbed--- RequestedDataDeleted
//
// Every arrow is one new version. A failed attempt is none: it changes its delivery (see Retry), not the run. A paused run
// remembers who paused it, and the engine resumes only what the engine paused.
//
// Force, an operator's override or a rename of the program's, leads from any state but the last two into Running, or into Completed where nothing
// leads out of the status; of its arrows the picture has those that bring back what had ended. Cancel is for Running too. Data that was deleted may be
// asked to be deleted again.
//
// # How it fails
//
// A move that the rules forbid returns a [*TransitionError], which matches [ErrInvalidTransition]; a move of a run that has ended
// matches [ErrFinished] too, one of a paused run [ErrPaused]. No function changes the record that it is given.
package machine
