package engine

// OnFirst has fn called, once and on a goroutine of its own, when the engine sees the first log entry of a workflow that does not run here: an
// own commit's, or another process's. It sees none while nothing runs on the engine. cancel takes the wish back.
func (e *Engine) OnFirst(workflow string, fn func()) (cancel func()) {
	s := &stranger{fn: fn}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.strangers[workflow] = append(e.strangers[workflow], s)
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		s.fn = nil
	}
}

// stranger waits for a workflow to show up; it is guarded by Engine.mu.
type stranger struct{ fn func() }

// meet tells who waits for the workflow; e.mu is held.
func (e *Engine) meet(workflow string) {
	waiting, ok := e.strangers[workflow]
	if !ok {
		return
	}
	delete(e.strangers, workflow)
	for _, s := range waiting {
		if s.fn != nil {
			go s.fn() // ends soon: it starts something
		}
	}
}
