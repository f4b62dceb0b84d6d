package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stillwater-go/workflow/benchmarks/load"
)

// errNoPostgres is why engines on Postgres are not measured on a machine without it.
var errNoPostgres = errors.New("no Postgres server found (initdb and postgres, in the path or where distributions put them)")

// cluster is a Postgres server of our own, on the measured disk, that runs only while an engine is measured that needs it.
type cluster struct {
	bin  string // the folder of its programs
	data string
	port int
	as   *owner // whom it runs as, nil for ourselves
	n    int    // databases made
	cmd  *exec.Cmd
	ends chan error
}

// postgresSettings are what differs from the server's defaults. Durability is left alone: fsync, synchronous_commit and full_page_writes are on.
func postgresSettings() []string {
	return []string{"shared_buffers=256MB", "max_wal_size=4GB", "max_connections=200", "listen_addresses=127.0.0.1", "unix_socket_directories="}
}

// serve starts the server with an empty database for the job, and returns what stops it.
func (h *harness) serve(ctx context.Context, job *load.Job) (stop func() error, err error) {
	if h.pg == nil {
		c, err := makeCluster(ctx, filepath.Join(h.dir, "postgres"))
		if err != nil {
			return nil, err
		}
		h.pg = c
	}
	if err := h.pg.start(ctx); err != nil {
		return nil, err
	}
	h.pg.n++
	name := "bench" + strconv.Itoa(h.pg.n)
	if err := h.pg.psql(ctx, "CREATE DATABASE "+name); err != nil {
		return nil, errors.Join(err, h.pg.stop())
	}
	job.Postgres = &load.Postgres{URL: h.pg.url(name), AdminURL: h.pg.url("postgres"), Database: name, PID: h.pg.cmd.Process.Pid, Psql: filepath.Join(h.pg.bin, "psql")}
	return func() error {
		// The next engine is not to find the leftovers of this one, and the measured time is over.
		err := h.pg.psql(context.WithoutCancel(ctx), "DROP DATABASE "+name+" WITH (FORCE)")
		return errors.Join(err, h.pg.stop())
	}, nil
}

// findPostgres returns the folder of the newest server's programs.
func findPostgres() (string, error) {
	var dirs []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		slices.Reverse(found)
		dirs = append(dirs, found...)
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	for _, dir := range dirs {
		if isFile(filepath.Join(dir, "initdb")) && isFile(filepath.Join(dir, "postgres")) && isFile(filepath.Join(dir, "psql")) {
			return dir, nil
		}
	}
	return "", errNoPostgres
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func makeCluster(ctx context.Context, dir string) (*cluster, error) {
	bin, err := findPostgres()
	if err != nil {
		return nil, err
	}
	as, err := serverOwner()
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if err := as.give(dir); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	c := &cluster{bin: bin, data: filepath.Join(dir, "data"), port: port, as: as}
	// Trust is enough: the server listens on the loopback alone and lives as long as we do.
	out, err := c.command(ctx, "initdb", "-D", c.data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return c, nil
}

// command makes a call of one of the server's programs, as its owner.
func (c *cluster) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, name), args...)
	cmd.Dir = filepath.Dir(c.data)
	c.as.apply(cmd)
	return cmd
}

func (c *cluster) start(ctx context.Context) error {
	args := []string{"-D", c.data, "-p", strconv.Itoa(c.port)}
	for _, s := range postgresSettings() {
		args = append(args, "-c", s)
	}
	// Its end is ours to order: a server whose context is cancelled would be killed and leave its memory behind.
	cmd := c.command(context.WithoutCancel(ctx), "postgres", args...)
	if err := cmd.Start(); err != nil {
		return err
	}
	c.cmd, c.ends = cmd, make(chan error, 1)
	go func() { c.ends <- cmd.Wait() }()
	for deadline := time.Now().Add(30 * time.Second); ; {
		err := c.psql(ctx, "SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case err := <-c.ends:
			c.cmd = nil
			return fmt.Errorf("the server ended: %w", err)
		case <-ctx.Done():
			return errors.Join(ctx.Err(), c.stop())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("the server does not answer: %w", err), c.stop())
		}
	}
}

func (c *cluster) stop() error {
	if c.cmd == nil {
		return nil
	}
	// SIGINT is its fast shutdown: sessions are ended, what was committed is written.
	err := c.cmd.Process.Signal(os.Interrupt)
	select {
	case ended := <-c.ends:
		err = errors.Join(err, ended)
	case <-time.After(time.Minute):
		err = errors.Join(err, errors.New("the server did not stop within a minute"), c.cmd.Process.Kill())
	}
	c.cmd = nil
	return err
}

func (c *cluster) close() error { return c.stop() }

func (c *cluster) psql(ctx context.Context, text string) error {
	out, err := exec.CommandContext(ctx, filepath.Join(c.bin, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", c.url("postgres"), "-c", text).CombinedOutput()
	if err != nil {
		return fmt.Errorf("psql: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (c *cluster) url(database string) string {
	return fmt.Sprintf("postgres://bench@127.0.0.1:%d/%s?sslmode=disable", c.port, database)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}
