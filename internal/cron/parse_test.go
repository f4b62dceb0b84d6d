package cron_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stillwater-go/workflow/internal/cron"
)

func TestCanonicalForm(t *testing.T) {
	tests := []struct{ spec, want string }{
		{"* * * * *", "* * * * *"},
		{" \t*/1  0 ?  */1 ? ", "* 0 * * *"},
		{"*/5 0-23 * 1-12 *", "*/5 * * * *"},
		{"5/15 5/15 5/15 5/3 5/1", "5-50/15 5,20 5,20 5-11/3 5,6"},
		{"1-30/7 0 1 1 0", "1-29/7 0 1 1 0"},
		{"0-30/10 0-12/6 1-21/10 2-8/3 0-4/2", "0-30/10 0-12/6 1-21/10 2-8/3 0-4/2"},
		{"0,30 9-17 * * mon-FRI", "0,30 9-17 * * 1-5"},
		{"0 0 1 Jan,JUL *", "0 0 1 1,7 *"},
		{"0 0 * * 7", "0 0 * * 0"},
		{"0 0 * * 5-7", "0 0 * * 0,5,6"},
		{"0 0 * * fri-sun", "0 0 * * 0,5,6"},
		{"0 0 * * sun-tue", "0 0 * * 0-2"},
		{"0 0 * * sun-sun", "0 0 * * 0"},
		{"0 0 * * 1-7/2", "0 0 * * 0,1,3,5"},
		{"0 0 * * 7/2", "0 0 * * 0"},
		{"0 0 1-31 * 1", "0 0 1-31 * 1"},
		{"0 0 */2 * 0-7", "0 0 */2 * 0-6"},
		{"0 0 5,* * 1", "0 0 * * 1"},
		{"0 0 ?/2 * ?/3", "0 0 */2 * */3"},
		{"0 0 ? * 1", "0 0 * * 1"},
		{"007 00 01 012 *", "7 0 1 12 *"},
		{"3,1,2,1,9 0 * * *", "1-3,9 0 * * *"},
		{"1,2,4,5 0 * * *", "1,2,4,5 0 * * *"},
		{"@yearly", "0 0 1 1 *"},
		{"@annually", "0 0 1 1 *"},
		{"@monthly", "0 0 1 * *"},
		{"@Weekly", "0 0 * * 0"},
		{"@daily", "0 0 * * *"},
		{"@midnight", "0 0 * * *"},
		{"@hourly", "0 * * * *"},
		{"@every 90s", "@every 1m30s"},
		{"@EVERY  48h", "@every 48h0m0s"},
		{"CRON_TZ=Europe/London 0 6 * * *", "CRON_TZ=Europe/London 0 6 * * *"},
		{"TZ=UTC @daily", "CRON_TZ=UTC 0 0 * * *"},
		{"TZ=Asia/Kathmandu @every 1s", "CRON_TZ=Asia/Kathmandu @every 1s"},
		{strings.Repeat(" ", cron.MaxSpec-9) + "* * * * *", "* * * * *"},
	}
	for _, tt := range tests {
		s, err := cron.Parse(tt.spec, nil)
		if err != nil {
			t.Errorf("Parse(%q): %v", tt.spec, err)
			continue
		}
		if got := s.String(); got != tt.want {
			t.Errorf("Parse(%q) is %q, want %q", tt.spec, got, tt.want)
		}
		again, err := cron.Parse(tt.want, nil)
		if err != nil || again.String() != tt.want {
			t.Errorf("Parse(%q) = %v, %v: not stable", tt.want, again, err)
		}
	}
}

func TestErrorsSayWhatIsAllowed(t *testing.T) {
	tests := []struct{ spec, part, value, allowed string }{
		{"", "0 fields", `""`, "five"},
		{"* * * *", "4 fields", `"* * * *"`, "five"},
		{"0 * * * * *", "6 fields", `"0 * * * * *"`, "five"},
		{"* * * * *\n", "day-of-week", `"*\n"`, "0-7 or sun-sat"},
		{"60 * * * *", "minute", `"60"`, "0-59"},
		{"-1 * * * *", "minute", `"-1"`, "0-59"},
		{"+1 * * * *", "minute", `"+1"`, "0-59"},
		{"? * * * *", "minute", `"?"`, "0-59"},
		{"* 24 * * *", "hour", `"24"`, "0-23"},
		{"* 1-24 * * *", "hour", `"1-24"`, "0-23"},
		{"* *-3 * * *", "hour", `"*-3"`, "0-23"},
		{"* 1- * * *", "hour", `"1-"`, "0-23"},
		{"* 1-2-3 * * *", "hour", `"1-2-3"`, "0-23"},
		{"* 22-2 * * *", "hour", `"22-2"`, "22-23,0-1"},
		{"* * 0 * *", "day-of-month", `"0"`, "1-31"},
		{"* * 32 * *", "day-of-month", `"32"`, "1-31"},
		{"* * L * *", "day-of-month", `"L"`, "1-31"},
		{"* * * 0 *", "month", `"0"`, "1-12 or jan-dec"},
		{"* * * january *", "month", `"january"`, "1-12 or jan-dec"},
		{"* * * sun *", "month", `"sun"`, "1-12 or jan-dec"},
		{"* * * * 8", "day-of-week", `"8"`, "0-7 or sun-sat"},
		{"* * * * 1#2", "day-of-week", `"1#2"`, "0-7 or sun-sat"},
		{"* * * * fri-mon", "day-of-week", `"fri-mon"`, "fri-sat,sun-mon"},
		{"* * * * 6-0", "day-of-week", `"6-0"`, "fri-sat,sun-mon"},
		{"1,,2 * * * *", "minute", `""`, "0-59"},
		{"1, * * * *", "minute", `""`, "0-59"},
		{"*/0 * * * *", "minute", `"*/0"`, "1 to 59"},
		{"*/90 * * * *", "minute", `"*/90"`, "@every"},
		{"*/ * * * *", "minute", `"*/"`, "1 to 59"},
		{"*/5/5 * * * *", "minute", `"*/5/5"`, "1 to 59"},
		{"1/-1 * * * *", "minute", `"1/-1"`, "1 to 59"},
		{"99999999999999999999 * * * *", "minute", `"99999999999999999999"`, "0-59"},
		{"@reboot", "descriptor", `"@reboot"`, "@daily"},
		{"@daily 5", "descriptor", `"@daily 5"`, "@daily"},
		{"@every", "@every", `""`, "at least 1s"},
		{"@every 0s", "@every", `"0s"`, "at least 1s"},
		{"@every -5m", "@every", `"-5m"`, "at least 1s"},
		{"@every 999ms", "@every", `"999ms"`, "at least 1s"},
		{"@every 1500ms", "@every", `"1500ms"`, "whole seconds"},
		{"@every 1h 30m", "@every", `"1h 30m"`, "whole seconds"},
		{"@every 5", "@every", `"5"`, "1h30m"},
		{"TZ= * * * * *", "zone", `""`, "Europe/London"},
		{"CRON_TZ=Local * * * * *", "zone", `"Local"`, "Europe/London"},
		{"CRON_TZ=Mars/Olympus * * * * *", "zone", `"Mars/Olympus"`, "IANA"},
		{"CRON_TZ=../etc/passwd * * * * *", "zone", `"../etc/passwd"`, "IANA"},
		{"CRON_TZ=UTC", "0 fields", `""`, "five"},
		{"TZ=UTC CRON_TZ=UTC * * * * *", "6 fields", "CRON_TZ=UTC", "five"},
		{strings.Repeat(" ", cron.MaxSpec-8) + "* * * * *", "1001 bytes", "", "1000"},
	}
	for _, tt := range tests {
		s, err := cron.Parse(tt.spec, nil)
		if !errors.Is(err, cron.ErrSpec) {
			t.Errorf("Parse(%q) = %v, %v; want ErrSpec", tt.spec, s, err)
			continue
		}
		for _, want := range []string{tt.part, tt.value, tt.allowed} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("Parse(%q): %v; want %q in it", tt.spec, err, want)
			}
		}
	}
}

func TestErrorsStayShort(t *testing.T) {
	_, err := cron.Parse(strings.Repeat("é", 490)+" * * * *", nil)
	if err == nil || len(err.Error()) > 400 {
		t.Errorf("%d bytes of error, want some and at most 400: %v", len(err.Error()), err)
	}
}

func TestZone(t *testing.T) {
	london := zone(t, "Europe/London")
	tests := []struct {
		spec string
		def  *time.Location
		want string
	}{
		{"@daily", nil, "UTC"},
		{"@daily", london, "Europe/London"},
		{"TZ=Asia/Kathmandu @daily", london, "Asia/Kathmandu"},
		{"CRON_TZ=UTC @daily", london, "UTC"},
		{"@every 1h", london, "Europe/London"},
	}
	for _, tt := range tests {
		s := parse(t, tt.spec, tt.def)
		if got := s.Zone().String(); got != tt.want {
			t.Errorf("Parse(%q, %v).Zone() = %s, want %s", tt.spec, tt.def, got, tt.want)
		}
		next, _ := s.Next(time.Unix(0, 0))
		if got := next.Location().String(); got != tt.want {
			t.Errorf("Parse(%q, %v).Next is in %s, want %s", tt.spec, tt.def, got, tt.want)
		}
	}
}

func TestZeroSchedule(t *testing.T) {
	var s cron.Schedule
	if next, ok := s.Next(time.Unix(0, 0)); ok || s.Zone() != time.UTC {
		t.Errorf("Next = %v, Zone = %v; want none, UTC", next, s.Zone())
	}
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func parse(t testing.TB, spec string, def *time.Location) *cron.Schedule {
	t.Helper()
	s, err := cron.Parse(spec, def)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
