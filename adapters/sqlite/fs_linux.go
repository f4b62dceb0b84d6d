package sqlite

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/stillwater-go/workflow/backend"
)

// networkMagic names the file systems of other machines by the number that statfs gives. SQLite's write-ahead log needs
// memory shared by all processes on the file, and locks that work; neither holds across machines.
func networkMagic(magic uint32) string {
	switch magic {
	case 0x6969:
		return "NFS"
	case 0x517b, 0xfe534d42:
		return "SMB"
	case 0xff534d42:
		return "CIFS"
	case 0x5346414f, 0x6b414653:
		return "AFS"
	case 0x73757245:
		return "Coda"
	case 0x00c36400:
		return "Ceph"
	case 0x0bd00bd0:
		return "Lustre"
	case 0x47504653:
		return "GPFS"
	case 0x7461636f:
		return "OCFS2"
	case 0x01161970:
		return "GFS2"
	case 0x564c:
		return "NCP"
	case 0x01021997:
		return "9P"
	}
	return ""
}

const fuseMagic = 0x65735546

// networkFuse reports whether a file system in user space, by its type in the mount table, lies on another machine.
func networkFuse(kind string) bool {
	kind = strings.TrimPrefix(kind, "fuse.")
	for _, known := range [...]string{
		"sshfs", "s3fs", "s3ql", "rclone", "glusterfs", "ceph", "curlftpfs", "davfs", "gcsfuse", "goofys", "smbnetfs",
		"moosefs", "mfs", "juicefs", "seaweedfs", "blobfuse", "blobfuse2", "mountpoint-s3", "google-drive-ocamlfuse",
	} {
		if kind == known {
			return true
		}
	}
	return false
}

// checkFileSystem refuses a folder on a network file system.
func checkFileSystem(dir string) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return fmt.Errorf("statfs %s: %w", dir, err)
	}
	name := networkMagic(uint32(st.Type))
	if name == "" && uint32(st.Type) == fuseMagic {
		if kind := mountType(dir); networkFuse(kind) {
			name = kind
		}
	}
	if name == "" {
		return nil
	}
	return fmt.Errorf("%w: %s lies on a network file system (%s)", backend.ErrUnsafeStore, dir, name)
}

// mountType returns the type of the mount that dir lies on, or nothing where the mount table cannot be read.
func mountType(dir string) string {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	best, kind := -1, ""
	for s := bufio.NewScanner(f); s.Scan(); {
		head, tail, ok := strings.Cut(s.Text(), " - ")
		fields := strings.Fields(head)
		if !ok || len(fields) < 5 {
			continue
		}
		point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\134`, `\`).Replace(fields[4])
		rel, err := filepath.Rel(point, dir)
		if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
			continue
		}
		if len(point) >= best {
			best = len(point)
			kind, _, _ = strings.Cut(tail, " ")
		}
	}
	return kind
}

// fileID tells one file from another.
type fileID struct{ dev, ino uint64 }

// identify returns which file a path leads to. It does not open the file: closing it would drop SQLite's own locks.
func identify(path string) (fileID, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return fileID{}, err
	}
	return fileID{dev: uint64(st.Dev), ino: st.Ino}, nil
}
