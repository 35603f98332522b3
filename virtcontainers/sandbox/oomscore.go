package sandbox

import (
	"os"
	"strconv"
)

// oomScore answers what the VM's process shall have as its oom_score_adj
// (proc(5)): the lowest that its containers ask for, so that it is spared as long
// as the one that is to be spared most; nil leaves what it has from who called us,
// as runc does where none is asked for. A pod's infra container is none of them:
// containerd gives it -998, and its VM would outlive nearly everything.
func (st *State) oomScore() *int {
	var lowest *int
	if first := st.Containers[st.ID]; first != nil && first.Infra {
		lowest = new(int)
	}
	asked := false
	for _, c := range st.Containers {
		if c.Infra || c.Spec.Process == nil || c.Spec.Process.OOMScoreAdj == nil {
			continue
		}
		if score := c.Spec.Process.OOMScoreAdj; !asked || *score < *lowest {
			lowest, asked = score, true
		}
	}
	return lowest
}

// scoreVM sets it. Without it, a VM that engines start has their protection from
// the host's OOM killer. To be spared more than who starts it takes a privilege
// (CAP_SYS_RESOURCE) that not every host gives: a warning, as with runc's rootless.
func (h *Host) scoreVM(st *State) {
	score := st.oomScore()
	if score == nil || !st.VM.Process.Alive() {
		return
	}
	err := os.WriteFile("/proc/"+strconv.Itoa(st.VM.Process.PID)+"/oom_score_adj", []byte(strconv.Itoa(*score)), 0)
	if err != nil {
		h.log.Warn("the virtual machine keeps the OOM score that it has", "id", st.ID, "want", *score, "error", err)
	}
}
