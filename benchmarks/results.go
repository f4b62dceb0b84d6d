package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/stillwater-go/workflow/benchmarks/chart"
	"github.com/stillwater-go/workflow/benchmarks/load"
)

// Results is what a results file holds.
type Results struct {
	When     time.Time         `json:"when"`
	Machine  Machine           `json:"machine"`
	Settings map[string]string `json:"settings"`
	Engines  []*Measured       `json:"engines"`
}

// Measured is one engine with the outcome of each pass.
type Measured struct {
	Name        string          `json:"name"`
	Label       string          `json:"label"`
	Kind        kind            `json:"kind"`
	Store       store           `json:"store"`
	NotMeasured string          `json:"notMeasured,omitempty"`
	Passes      []*load.Outcome `json:"passes,omitempty"`
}

// chartFile is where the README looks for the chart, from this folder.
const chartFile = "../docs/benchmarks.svg"

// keep writes the results, the table and the chart.
func keep(o options, r *Results, log io.Writer) error {
	dir, picture := o.out, filepath.Join(o.out, "benchmarks.svg")
	if dir == "" {
		home, err := moduleDir()
		if err != nil {
			return err
		}
		dir, picture = filepath.Join(home, "results"), filepath.Join(home, filepath.FromSlash(chartFile))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	name := filepath.Join(dir, r.When.Format(time.DateOnly))
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	var table bytes.Buffer
	if err := writeMarkdown(&table, r); err != nil {
		return err
	}
	err = errors.Join(os.WriteFile(name+".json", append(data, '\n'), 0o644), os.WriteFile(name+".md", table.Bytes(), 0o644), draw(picture, r))
	if err == nil {
		_, err = fmt.Fprintf(log, "written: %s.json, %s.md, %s\n", name, name, picture)
	}
	return err
}

// redraw draws the chart of results that are kept.
func redraw(o options) error {
	data, err := os.ReadFile(o.chart)
	if err != nil {
		return err
	}
	var r Results
	if err := json.Unmarshal(data, &r); err != nil {
		return fmt.Errorf("%s: %w", o.chart, err)
	}
	picture := filepath.Join(o.out, "benchmarks.svg")
	if o.out == "" {
		home, err := moduleDir()
		if err != nil {
			return err
		}
		picture = filepath.Join(home, filepath.FromSlash(chartFile))
	}
	return draw(picture, &r)
}

func draw(path string, r *Results) error {
	var b bytes.Buffer
	if err := chart.Write(&b, picture(r)); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// moduleDir finds this module's folder: where the program is run, or below that.
func moduleDir() (string, error) {
	for _, dir := range []string{".", "benchmarks", ".."} {
		if info, err := os.Stat(filepath.Join(dir, "peers")); err == nil && info.IsDir() {
			return filepath.Abs(dir)
		}
	}
	return "", errors.New("run me in the folder benchmarks: there are the peers and the results")
}
