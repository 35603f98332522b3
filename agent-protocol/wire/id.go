package wire

import "fmt"

// MaxID is the greatest length of an id in bytes. An id becomes the name of a
// folder and of a cgroup (NAME_MAX is 255) with something before and behind it.
const MaxID = 128

// ValidID answers an error that quotes the id if it cannot be the id of a
// sandbox, a container or a process: 1 to 128 characters of [a-zA-Z0-9_.+-],
// not "." or "..". Both ends ask, so that no id is ever a path.
func ValidID(id string) error {
	switch {
	case id == "":
		return fmt.Errorf("invalid id %q: it is empty", id)
	case len(id) > MaxID:
		return fmt.Errorf("invalid id %q...: %d characters, at most %d are allowed", id[:16], len(id), MaxID)
	case id == "." || id == "..":
		return fmt.Errorf("invalid id %q: it names a folder", id)
	}
	for i := 0; i < len(id); i++ {
		c := id[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '_', c == '.', c == '+', c == '-':
		default:
			return fmt.Errorf("invalid id %q: only letters, digits and _ . + - are allowed", id)
		}
	}
	return nil
}
