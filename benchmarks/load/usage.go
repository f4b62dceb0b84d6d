package load

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Used is what a process has used since it began, and its server since that began.
type Used struct {
	CPU, ServerCPU time.Duration
	// Switches is how often it gave up the processor of its own accord.
	Switches int64
	// Written is how many bytes the process handed to the disk.
	Written int64
}

// Less returns what was used since v.
func (u Used) Less(v Used) Used {
	return Used{CPU: u.CPU - v.CPU, ServerCPU: u.ServerCPU - v.ServerCPU, Switches: u.Switches - v.Switches, Written: u.Written - v.Written}
}

// OwnUsage is what this process has used.
func OwnUsage() Used { return ownUsage() }

// PeakRSS is the most memory that this process ever held, in bytes; zero where the system does not tell.
func PeakRSS() int64 { return peakRSS() }

func usage(job Job) Used {
	u := ownUsage()
	if job.Postgres != nil {
		u.ServerCPU = treeCPU(job.Postgres.PID)
	}
	return u
}

// transactions asks how many transactions the engine's database has seen, from another database, so that asking is not counted.
func (p *Postgres) transactions(ctx context.Context) (int64, error) {
	if p == nil {
		return 0, nil
	}
	out, err := exec.CommandContext(ctx, p.Psql, "-XAtq", p.AdminURL, "-c",
		"SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = '"+p.Database+"'").Output()
	if err != nil {
		return 0, fmt.Errorf("count transactions: %w", err)
	}
	return strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
}
