package load

import "time"

// Job is what a child process reads from its standard input: what to measure, and for how long.
type Job struct {
	// Engine is the name under which the program knows what to measure.
	Engine string `json:"engine"`
	// Dir is an empty folder on the disk that is measured.
	Dir string `json:"dir"`
	// Warmup comes before the measured part of the load and is not counted.
	Warmup time.Duration `json:"warmup"`
	// Load is how long many runs are in flight.
	Load time.Duration `json:"load"`
	// Lone is how long runs follow each other one at a time.
	Lone time.Duration `json:"lone"`
	// Settle is the pause before the idle time, for what comes after a load: caches, cursors, clean-up.
	Settle time.Duration `json:"settle"`
	// Idle is how long the engine is watched doing nothing; zero leaves that out.
	Idle time.Duration `json:"idle"`
	// InFlight is how many runs are in flight at once; zero means as many as suit the engine best.
	InFlight int `json:"inFlight,omitempty"`
	// Postgres is nil where no server was found or the engine needs none.
	Postgres *Postgres `json:"postgres,omitempty"`
}

// Postgres says where the server is.
type Postgres struct {
	// URL leads to an empty database of the engine's own.
	URL string `json:"url"`
	// AdminURL leads to another database of the same server, from which that one is watched.
	AdminURL string `json:"adminURL"`
	// Database is the name of the engine's database.
	Database string `json:"database"`
	// PID is the server's first process.
	PID int `json:"pid"`
	// Psql is the path of the command-line client.
	Psql string `json:"psql"`
}

// Outcome is what a child process writes to its standard output.
type Outcome struct {
	Engine string `json:"engine"`
	// Failed says why there are no figures.
	Failed string `json:"failed,omitempty"`
	// Settings are what the engine was set to, and what its own connection answered when asked.
	Settings map[string]string `json:"settings,omitempty"`
	// Modules are the versions of what was measured.
	Modules map[string]string `json:"modules,omitempty"`

	InFlight int `json:"inFlight,omitempty"`
	// Runs ended within Seconds.
	Runs    int64   `json:"runs,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
	// CPU is what the process, and the server if there is one, used of the processors in that time, in seconds.
	CPU       float64 `json:"cpu,omitempty"`
	ServerCPU float64 `json:"serverCPU,omitempty"`
	// Written is how many bytes the process handed to the disk in that time; a server's are not in it.
	Written int64 `json:"written,omitempty"`
	// PeakRSS is the most memory that the process held at any time, in bytes; a server's is not in it.
	PeakRSS int64 `json:"peakRSS,omitempty"`

	Lone *Latency `json:"lone,omitempty"`
	Idle *Idle    `json:"idle,omitempty"`

	// Extra are figures that this engine alone has.
	Extra []Figure `json:"extra,omitempty"`
}

// Latency is how long runs took that were alone.
type Latency struct {
	N   int     `json:"n"`
	P50 float64 `json:"p50"` // milliseconds
	P99 float64 `json:"p99"` // milliseconds
}

// Idle is what an engine did while there was nothing to do.
type Idle struct {
	Seconds float64 `json:"seconds"`
	// CPU and ServerCPU are shares of one core, in per cent.
	CPU       float64 `json:"cpu"`
	ServerCPU float64 `json:"serverCPU"`
	// Switches is how often a second the process gave up the processor of its own accord: each is a wake-up that ended.
	Switches float64 `json:"switches"`
	// Queries is how many transactions a second the server saw, or -1 without a server.
	Queries float64 `json:"queries"`
}

// Figure is one more number with its name.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}
