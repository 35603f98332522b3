package sandbox

import "github.com/kata-go/kata-runtime/virtcontainers/network"

// warnOfRouting logs what of the routing that came with new interfaces the guest
// does not get.
func (h *Host) warnOfRouting(st *State, fresh []network.Pair) {
	if len(fresh) == 0 {
		return
	}
	ns, err := network.OpenNamespace(st.Network.Namespace)
	var left []string
	if err == nil {
		left, err = network.LeftOut(ns)
		ns.Close()
	}
	if err != nil {
		h.log.Warn("cannot tell whether the guest gets all routes", "namespace", st.Network.Namespace, "err", err)
	}
	for _, what := range left {
		h.log.Warn("the guest does not get this: only plain routes of the main table are brought into it", "namespace", st.Network.Namespace, "what", what)
	}
}
