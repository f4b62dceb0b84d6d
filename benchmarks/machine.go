package main

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// Machine says where figures come from.
type Machine struct {
	CPU        string `json:"cpu"`
	Cores      int    `json:"cores"`
	Memory     string `json:"memory,omitempty"`
	Kernel     string `json:"kernel,omitempty"`
	OS         string `json:"os"`
	FileSystem string `json:"fileSystem,omitempty"`
	Go         string `json:"go"`
	// Commit is that of this repository, with a plus where something was changed.
	Commit string `json:"commit,omitempty"`
}

// describe says what is known of the machine; what is not known stays empty.
func describe(ctx context.Context, dir string) Machine {
	return Machine{
		CPU: lineOf("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), Memory: memorySize(), Kernel: command(ctx, "uname", "-sr"),
		OS: runtime.GOOS + "/" + runtime.GOARCH, FileSystem: fileSystem(dir), Go: runtime.Version(), Commit: commit(ctx),
	}
}

// lineOf returns the value of the first line of a file that begins with a name and a colon.
func lineOf(path, name string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func memorySize() string {
	kib, err := strconv.Atoi(strings.TrimSuffix(lineOf("/proc/meminfo", "MemTotal"), " kB"))
	if err != nil {
		return ""
	}
	return strconv.Itoa((kib+1<<19)>>20) + " GiB"
}

func commit(ctx context.Context) string {
	hash := command(ctx, "git", "rev-parse", "--short", "HEAD")
	if hash != "" && command(ctx, "git", "status", "--porcelain", "--untracked-files=no") != "" {
		hash += "+"
	}
	return hash
}

// command returns what a program prints, or nothing.
func command(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// fileSystem is the type of the file system that a folder lies on, where the system tells.
func fileSystem(dir string) string {
	out := command(context.Background(), "stat", "-f", "-c", "%T", dir)
	if out == "ext2/ext3" {
		return "ext4" // they share a number
	}
	return out
}
