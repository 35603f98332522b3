// Package view is the form in which the runtime tells kata-shim what a container
// sees of the host's files (its flag --stage).
package view

// View is a container's root file system and its volumes.
type View struct {
	// Root is its root file system on the host, an absolute path.
	Root     string `json:"root"`
	ReadOnly bool   `json:"read_only,omitempty"`
	// Volumes lie in it, in the order in which they are mounted.
	Volumes []Volume `json:"volumes,omitempty"`
}

// Volume is a folder or file of the host at a path of the container.
type Volume struct {
	Source   string `json:"source"`
	Path     string `json:"path"`
	ReadOnly bool   `json:"read_only,omitempty"`
	// Recursive: what is mounted below is read-only, too, if it is.
	Recursive bool `json:"recursive,omitempty"`
	// Alone: what is mounted below does not come along.
	Alone bool `json:"alone,omitempty"`
}
