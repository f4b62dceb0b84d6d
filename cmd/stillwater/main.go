// Command stillwater shows what the workflow library does, and looks after the stores that it writes. See stillwater --help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/stillwater-go/workflow/cmd/stillwater/internal/cli"
)

func main() {
	ctx, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, release) // a second signal ends the process at once
	os.Exit(cli.Run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv}))
}
