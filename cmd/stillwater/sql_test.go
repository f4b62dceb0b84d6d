package main

import (
	"database/sql"
	"testing"

	_ "github.com/stillwater-go/workflow/adapters/sqlite" // brings the driver
)

func openSQL(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	return db
}
