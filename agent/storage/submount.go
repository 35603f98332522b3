package storage

// submount is the driver for a mount of the host's that virtiofs announces: the
// guest's kernel mounts it when somebody goes there, in the mount namespace of who
// goes, each time as a file system of its own (fs/fuse/dir.c, d_automount). If the
// agent goes first, all containers have the same one, and so the same locks and
// pages. With 9p there is nothing to mount.
const submount = "submount"

// enter goes to a place, which has to be there: a folder that is opened as such
// is mounted.
func enter(root, point string) error {
	dir, err := openBelow(root, point, false)
	if err != nil {
		return err
	}
	return dir.Close()
}
