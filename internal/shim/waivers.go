package shim

import "github.com/stillwater-go/workflow/backend"

// Waivers says in words which guarantees these parts cannot give. It is never empty: plain parts commit no more than a
// record and its outbox row at once.
func (b *Backend) Waivers() []string {
	w := []string{
		"retries, claims and attempts are kept in memory: after a crash a scan of unfinished runs brings the runs back, with attempts counted from one",
		"a transition's timers and deliveries are written after its record, not with it",
		"transactional steps are refused: there is no transaction to run them in",
		"signals are refused: there is no place that remembers them and their ids past the process",
		"deliveries that were given up are known to the process that gave them up, and gone with it",
		"runs cannot be erased, only scrubbed; versions that the record store keeps beside the present one are not scrubbed",
		"a run's deadline is kept only where the record store keeps the whole of Record.Meta; after a crash a scan brings it back from there",
		"who paused a run is kept only where the record store keeps the whole of Record.Meta; else a run that the engine paused before a restart waits for an operator",
		"listings by the time of the last version or by the reason read every run of the workflow: they are narrowed after the record store has answered",
	}
	if !b.checks {
		w = append(w, "the record store does not compare versions: two processes that write one run, or start one foreign id, at the same instant are not told apart")
	}
	if _, ok := b.cfg.Store.(backend.TestingRecordStore); !ok {
		w = append(w, "the record store keeps no history: a run's present version can be read, and what this process has just committed. Await in another process may miss a status that a run passes quickly")
	}
	switch {
	case b.cfg.OutboxDisabled:
		w = append(w, "the outbox is not relayed here: somebody else has to send its events")
	case b.notifier == nil:
		w = append(w, "the record store does not tell of new outbox events: those of other processes are found by polling every "+b.cfg.OutboxPoll.String())
	}
	if !b.advances {
		w = append(w, "the event streamer does not say that receiving moves on before the acknowledgement: each receiver works on one event at a time")
	}
	if b.cfg.Timeouts == nil {
		w = append(w, "there is no timeout store: timers are kept in memory and lost with the process")
	} else {
		w = append(w, "after a restart several timeouts of one status are told apart by the order of their expiry alone")
	}
	return w
}
