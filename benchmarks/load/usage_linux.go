package load

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func ownUsage() Used {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return Used{}
	}
	return Used{CPU: time.Duration(r.Utime.Nano() + r.Stime.Nano()), Switches: r.Nvcsw, Written: written()}
}

// peakRSS is the most memory that the process ever held.
func peakRSS() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	return 1024 * field(b, "VmHWM:")
}

// written is how many bytes the process handed to the disk.
func written() int64 {
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0
	}
	return field(b, "write_bytes:")
}

// field returns the number behind a name at the beginning of a line.
func field(text []byte, name string) int64 {
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok {
			continue
		}
		words := strings.Fields(rest)
		if len(words) == 0 {
			return 0
		}
		n, err := strconv.ParseInt(words[0], 10, 64)
		if err != nil {
			return 0
		}
		return n
	}
	return 0
}

// treeCPU sums up what a process, its children, and those of them that have ended used of the processors.
func treeCPU(pid int) time.Duration {
	pids := []string{strconv.Itoa(pid)}
	if b, err := os.ReadFile("/proc/" + pids[0] + "/task/" + pids[0] + "/children"); err == nil {
		pids = append(pids, strings.Fields(string(b))...)
	}
	var sum time.Duration
	for _, p := range pids {
		sum += processTicks(p)
	}
	return sum
}

// tick is the unit of /proc: a hundredth of a second on every machine that Go runs on.
const tick = 10 * time.Millisecond

// processTicks is what a process and its ended children used of the processors.
func processTicks(pid string) time.Duration {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0
	}
	// The second field is a name in brackets that may hold anything; the fields behind it are numbers.
	text := string(b)
	words := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	const utime, ends = 11, 15 // user, system, and both of the ended children
	if len(words) < ends {
		return 0
	}
	var ticks int64
	for _, w := range words[utime:ends] {
		n, err := strconv.ParseInt(w, 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * tick
}
