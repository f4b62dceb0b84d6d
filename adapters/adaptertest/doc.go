// Package adaptertest holds the conformance suites that every adapter has to pass, ready to be run by third parties.
//
// [Run] demands of a [backend.Backend] all that the engine relies on, [RunStreamer] does the same for an event streamer.
// The zero value of [Guarantees] and of [StreamGuarantees] demands everything; an adapter that cannot give something names
// it there, and the test log prints what was waived. The classic functions ([RunRecordStoreTest] and its four
// sisters) demand what they always did, so that plain third-party parts pass them.
//
// An adapter's test is a few lines; what Store and Guarantees leave out has to fit together:
//
//	func TestConformance(t *testing.T) {
//		adaptertest.Run(t, func(t *testing.T) adaptertest.Store {
//			path := filepath.Join(t.TempDir(), "store")
//			return adaptertest.Store{Backend: open(t, path), Reopen: func() (backend.Backend, error) { return Open(path) }}
//		}, adaptertest.Guarantees{NoCrash: true, NoPeers: true, NoTransactions: true})
//	}
//
// [Walk] is the oracle: it reads a store through its public methods and reports every broken invariant. [Run] calls it
// after each of its cases, and [Check] lets any other test do the same.
//
// [NewFaulty] wraps a backend, [NewFaultyRecordStore] a classic store, and makes it fail on purpose, by a seed. [Bench] measures all backends alike.
//
// A case fails through the testing value that it is given and never panics. The cases of one suite run in parallel, each on a
// store of its own; those that measure idleness run alone, before the others, so call the suites from a test that is not
// parallel itself.
//
// The suites are proved by a reference store and a reference streamer, in which more than 150 mistakes are planted one at a
// time: each is noticed, and there is no case that notices none.
package adaptertest
