// Package guest puts the guest's file tree together: the agent as init, the
// kernel modules that it loads, and mount points. Nothing else is in there:
// no shell, no library.
package guest

import (
	"fmt"

	"github.com/kata-go/kata-runtime/osbuilder/tree"
)

// Tree answers the files of a guest without kernel modules: for a kernel that
// has everything built in.
func Tree(agent []byte, release string) (*tree.Tree, error) {
	t := new(tree.Tree)
	dir := func(p string, perm uint32) tree.Entry { return tree.Entry{Path: p, Kind: tree.Dir, Perm: perm} }
	link := func(p, to string) tree.Entry { return tree.Entry{Path: p, Kind: tree.Link, Data: []byte(to)} }
	file := func(p, text string) tree.Entry {
		return tree.Entry{Path: p, Perm: 0o644, Data: []byte(text)}
	}
	for _, e := range []tree.Entry{
		{Path: "init", Perm: 0o755, Data: agent},
		link("sbin/init", "../init"),
		dir("dev", 0o755), dir("proc", 0o555), dir("sys", 0o555), dir("run", 0o755),
		dir("mnt", 0o755), dir("root", 0o700), dir("tmp", 0o1777), dir("var", 0o755),
		link("var/run", "../run"),
		file("etc/os-release", fmt.Sprintf("NAME=\"Kata guest\"\nID=kata-guest\nVERSION_ID=%s\n", release)),
		// The image may be read-only; /run never is.
		link("etc/resolv.conf", "../run/resolv.conf"),
	} {
		if err := t.Add(e); err != nil {
			return nil, err
		}
	}
	return t, nil
}
