package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// stillwater runs a command line in this process.
func stillwater(t *testing.T, ctx context.Context, stdin string, args ...string) (out, errs string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = Run(ctx, args, Streams{In: strings.NewReader(stdin), Out: &stdout, Err: &stderr, Getenv: func(string) string { return "" }})
	return stdout.String(), stderr.String(), code
}

// TestWordsAndCodes is a table of command lines, what they say and how they end.
func TestWordsAndCodes(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("hello ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		out  string
		err  string
	}{
		{"", 0, "Commands:", ""},
		{"--help", 0, "stillwater <command> --help", ""},
		{"demo --help", 0, "Exit codes: 0 reconciled", ""},
		{"check --help", 0, "Exit codes: 0 clean", ""},
		{"version --help", 0, "Print the version", ""},
		{"version", 0, "stillwater ", ""},
		{"version --json", 0, `"platform"`, ""},
		{"launch", 1, "", "unexpected argument launch"},
		{"demo --ordres 5", 1, "", `unknown flag --ordres, did you mean "--orders"`},
		{"demo --ordres 5", 1, "", `Try "stillwater demo --help".`},
		{"demo --orders many", 1, "", "--orders"},
		{"demo --orders 0", 1, "", "--orders must be 1 to"},
		{"demo --orders 10000001", 1, "", "--orders must be 1 to"},
		{"demo extra", 1, "", "unexpected argument extra"},
		{"check", 1, "", `expected "<file>"`},
		{"check a b", 1, "", "unexpected argument b"},
		{"check " + filepath.Join(dir, "none.db"), 1, "", "none.db"},
		{"check " + text, 1, "", "not a stillwater store"},
		{"demo --db " + text, 1, "", "use another file with --db"},
		{"demo --input " + filepath.Join(dir, "none.jsonl"), 1, "", "none.jsonl"},
		{"demo --write-input " + text, 1, "", "exists already"},
		{"demo --orders 2 --write-input -", 0, `{"id":"ord-000001-`, ""},
	} {
		t.Run(c.args, func(t *testing.T) {
			t.Chdir(t.TempDir())
			out, errs, code := stillwater(t, t.Context(), "", strings.Fields(c.args)...)
			if code != c.code {
				t.Errorf("code %d, want %d", code, c.code)
			}
			if !strings.Contains(out, c.out) || c.out == "" && out != "" {
				t.Errorf("output %q, want %q", out, c.out)
			}
			if !strings.Contains(errs, c.err) || c.err == "" && errs != "" {
				t.Errorf("errors %q, want %q", errs, c.err)
			}
		})
	}
}

// TestDemoThenCheck is a newcomer's first minute.
func TestDemoThenCheck(t *testing.T) {
	t.Chdir(t.TempDir())
	out, errs, code := stillwater(t, t.Context(), "", "demo", "--orders", "300")
	if code != 0 || !strings.Contains(out, "Reconciled: every order") || !strings.Contains(errs, "Stop it at any moment") {
		t.Fatalf("code %d\n%s%s", code, out, errs)
	}
	if strings.Contains(out+errs, "\x1b") {
		t.Error("control characters outside a terminal")
	}
	out, errs, code = stillwater(t, t.Context(), "", "check", "stillwater-demo.db")
	if code != 0 || errs != "" || !strings.Contains(out, `workflow "demo-orders", runs: 300`) {
		t.Errorf("code %d\n%s%s", code, out, errs)
	}
	_, errs, code = stillwater(t, t.Context(), "", "demo", "--orders", "301")
	if code != 1 || !strings.Contains(errs, "--fresh") {
		t.Errorf("code %d\n%s", code, errs)
	}
	out, errs, code = stillwater(t, t.Context(), "", "demo", "--orders", "30", "--fresh", "--json", "-q")
	var s map[string]any
	if err := json.Unmarshal([]byte(out), &s); err != nil || code != 0 || errs != "" {
		t.Fatalf("code %d, %v\n%s%s", code, err, out, errs)
	}
	for _, key := range []string{
		"db", "source", "orders", "bad_lines", "already_there", "statuses", "retries", "steps", "elapsed_seconds", "steps_per_second", "charges",
		"ledger_cents", "interrupted", "left", "reconciled", "mismatch_count", "mismatches", "again",
	} {
		if _, ok := s[key]; !ok {
			t.Errorf("%s is missing in %s", key, out)
		}
	}
	if s["orders"] != 30.0 || s["reconciled"] != true || s["again"] != "stillwater demo --orders 30" {
		t.Errorf("%s", out)
	}
}

// TestBadLinesDoNotChangeTheCode keeps the promise of the help: the rest is processed, and the summary names the number.
func TestBadLinesDoNotChangeTheCode(t *testing.T) {
	t.Chdir(t.TempDir())
	orders, _, code := stillwater(t, t.Context(), "", "demo", "--orders", "10", "--write-input", "-")
	if code != 0 {
		t.Fatal(code)
	}
	out, errs, code := stillwater(t, t.Context(), "nonsense\n"+orders+orders, "demo", "--input", "-", "-q")
	if code != 0 || !strings.Contains(out, "Bad lines          11") || strings.Count(errs, "bad input, line") != 11 || !strings.Contains(errs, "line 1: not JSON") {
		t.Errorf("code %d\n%s%s", code, out, errs)
	}
}

func TestInterruptedBeforeItBegan(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out, errs, code := stillwater(t, ctx, "", "demo", "--orders", "5")
	if code != ExitInterrupted || out != "" || !strings.Contains(errs, "canceled") {
		t.Errorf("code %d\n%s%s", code, out, errs)
	}
}
