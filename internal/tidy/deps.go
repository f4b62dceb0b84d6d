package tidy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Package is what the go command says of a package.
type Package struct {
	ImportPath string
	Name       string
	Standard   bool
	Deps       []string
}

// List returns the packages of the module in dir and everything that they are built from, tests left out. The module is
// looked at alone, without a workspace.
func List(ctx context.Context, dir string) ([]Package, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-json=ImportPath,Name,Standard,Deps", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list in %s: %w: %s", dir, err, strings.TrimSpace(stderr.String()))
	}
	var packages []Package
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p Package
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("read what go list says: %w", err)
		}
		packages = append(packages, p)
	}
}

// StandardLibraryOnly finds packages that come from another project.
func StandardLibraryOnly(module string, packages []Package) []Finding {
	var findings []Finding
	for _, p := range packages {
		if !p.Standard && p.ImportPath != module && !strings.HasPrefix(p.ImportPath, module+"/") {
			findings = append(findings, Finding{Rule: "standard-library-only", Path: p.ImportPath, Text: "the root module is built from the standard library alone"})
		}
	}
	return findings
}

// TestingNotLinked finds packages that link package testing, however far down, although their name does not end in test.
func TestingNotLinked(packages []Package) []Finding {
	var findings []Finding
	for _, p := range packages {
		if !p.Standard && !strings.HasSuffix(p.Name, "test") && slices.Contains(p.Deps, "testing") {
			findings = append(findings, Finding{Rule: "testing-not-linked", Path: p.ImportPath, Text: "links package testing into users' programs"})
		}
	}
	return findings
}
