package demo

import (
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/stillwater-go/workflow/cmd/stillwater/internal/term"
)

// Summary is what the demo has to say at its end. Its JSON form is the command's --json.
type Summary struct {
	// DB is the store's file, as it was given.
	DB string `json:"db"`
	// Source says where the orders came from.
	Source string `json:"source"`
	// Orders counts the good orders, BadLines the lines of the input that were left out.
	Orders   int `json:"orders"`
	BadLines int `json:"bad_lines"`
	// AlreadyThere counts the orders that an earlier start had placed.
	AlreadyThere int `json:"already_there"`
	// Statuses counts the orders by the name of the status that they stand in.
	Statuses map[string]int `json:"statuses"`
	// Retries counts the failed attempts, in all starts together.
	Retries int `json:"retries"`
	// Steps counts the transitions that this start committed, in ElapsedSeconds from its first order to its last commit.
	Steps          int64   `json:"steps"`
	ElapsedSeconds float64 `json:"elapsed_seconds"`
	StepsPerSecond float64 `json:"steps_per_second"`
	// PeakMemoryBytes is the most memory that the process held at once, on Linux.
	PeakMemoryBytes int64 `json:"peak_memory_bytes,omitempty"`
	// Charges counts the lines of the ledger; LedgerCents adds them up by currency.
	Charges     int              `json:"charges"`
	LedgerCents map[string]int64 `json:"ledger_cents"`
	// Interrupted says that the demo was stopped; then nothing was reconciled, and Left orders wait for the next start.
	Interrupted bool `json:"interrupted"`
	Left        int  `json:"left"`
	// Reconciled says that everything adds up; else Mismatches holds the first 20 of MismatchCount.
	Reconciled    bool       `json:"reconciled"`
	MismatchCount int        `json:"mismatch_count"`
	Mismatches    []Mismatch `json:"mismatches"`
	// Again is the command that goes on with this store.
	Again string `json:"again"`
}

// fill takes over what the reconciliation knows.
func (s *Summary) fill(r *reconciliation) {
	s.Statuses = map[string]int{StatusShipped.String(): 0, StatusDeclined.String(): 0}
	for status, n := range r.Statuses {
		s.Statuses[status.String()] = n
	}
	s.Charges, s.LedgerCents = r.Charges, r.Cents
	s.Mismatches = []Mismatch{}
	if !s.Interrupted {
		s.MismatchCount, s.Reconciled = r.Count, r.Count == 0
		s.Mismatches = append(s.Mismatches, r.First...)
	}
}

// measure takes over what this start did, and how fast.
func (s *Summary) measure(steps int64, seconds float64) {
	s.Steps, s.ElapsedSeconds, s.StepsPerSecond = steps, 0, 0
	if steps > 0 && seconds > 0 {
		s.ElapsedSeconds, s.StepsPerSecond = seconds, float64(steps)/seconds
	}
}

// Write writes the summary for people.
func (s *Summary) Write(w io.Writer, style term.Style) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s, store %s\n\n", style.Bold("Stillwater demo: "+s.Source), s.DB)
	row := func(name string, value int64, note string) {
		fmt.Fprintf(&b, "  %-10s %10s   %s\n", name, thousands(value), style.Dim(note))
	}
	for _, name := range s.statusNames() {
		row(name, int64(s.Statuses[name]), statusNote(name))
	}
	row("Retries", int64(s.Retries), "payment calls that failed and were made again")
	row("Ledger", int64(s.Charges), s.ledgerNote())
	if s.Steps > 0 {
		row("Steps", s.Steps, fmt.Sprintf("in %.2f s: %s steps/s, each one on the disk", s.ElapsedSeconds, thousands(int64(s.StepsPerSecond+0.5))))
	}
	if s.PeakMemoryBytes > 0 {
		row("Memory", (s.PeakMemoryBytes+500_000)/1_000_000, "MB at most, the program and its page cache included")
	}
	if s.AlreadyThere > 0 {
		row("Resumed", int64(s.AlreadyThere), "orders were placed by an earlier start, and not again")
	}
	if s.BadLines > 0 {
		row("Bad lines", int64(s.BadLines), "of the input were left out: see the messages")
	}
	b.WriteString("\n" + s.verdict(style))
	_, err := io.WriteString(w, b.String())
	return err
}

// verdict is the last word.
func (s *Summary) verdict(style term.Style) string {
	switch {
	case s.Interrupted:
		return fmt.Sprintf("%s %s of %s left. Nothing is lost; go on with:\n\n  %s\n",
			style.Yellow("Interrupted:"), thousands(int64(s.Left)), plural(s.Orders, "order"), style.Bold(s.Again))
	case s.Reconciled:
		return fmt.Sprintf("%s every order has exactly one run, and was charged exactly once if and only if it was shipped.\n\n"+
			"  look closer   stillwater check %s\n  start over    %s --fresh\n", style.Green("Reconciled:"), quoteArg(s.DB), s.Again)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n\n", style.Red("Does not reconcile:"), plural(s.MismatchCount, "mismatch"))
	for _, m := range s.Mismatches {
		fmt.Fprintf(&b, "  %s %s\n", m.OrderID, m.Problem)
	}
	if more := s.MismatchCount - len(s.Mismatches); more > 0 {
		fmt.Fprintf(&b, "  and %s more\n", thousands(int64(more)))
	}
	return b.String()
}

// statusNames returns the statuses in the order of an order's life; those without orders are left out, except for the two ends.
func (s *Summary) statusNames() []string {
	rank := map[string]int{
		StatusShipped.String(): -5, StatusDeclined.String(): -4, StatusPlaced.String(): -3, StatusReserved.String(): -2, StatusPaid.String(): -1,
	}
	names := make([]string, 0, len(s.Statuses))
	for name := range s.Statuses {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool {
		if rank[names[i]] != rank[names[j]] {
			return rank[names[i]] < rank[names[j]]
		}
		return names[i] < names[j]
	})
	return names
}

func statusNote(name string) string {
	switch name {
	case StatusShipped.String():
		return "reserved, paid and sent"
	case StatusDeclined.String():
		return "refused by the payment gateway"
	default:
		return "on their way"
	}
}

// ledgerNote adds the ledger up, currencies in the order of their names.
func (s *Summary) ledgerNote() string {
	currencies := make([]string, 0, len(s.LedgerCents))
	for c := range s.LedgerCents {
		currencies = append(currencies, c)
	}
	sort.Strings(currencies)
	parts := make([]string, len(currencies))
	for i, c := range currencies {
		parts[i] = c + " " + money(s.LedgerCents[c])
	}
	return strings.Join(parts, ", ")
}
