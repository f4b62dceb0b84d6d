package sqlite

import (
	"os"
	"time"
)

// bellTime returns when the doorbell was rung last, the zero time where that cannot be told.
func bellTime(path string) time.Time {
	info, err := os.Stat(path + bellSuffix)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
