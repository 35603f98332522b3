package container

import (
	"os"
	"strconv"
	"strings"
	"sync"
)

// stageMark begins the name of a process that runs libcontainer's code: its first
// stage starts a second and that a third, both as children of the agent.
const stageMark = "runc:["

// stages reaps what failed starts leave of a container. libcontainer learns of
// the later stages from the first; if that fails or is killed before it has told
// (no pid is left in the container, or the container ends just then), nobody waits
// for them. As zombies they count in the container's pids, and the init process of
// a pid namespace does not end before all in it have been reaped.
type stages struct {
	// group is the container's cgroup, as in /proc/PID/cgroup.
	group string

	mu sync.Mutex
	// starting counts the starts that are under way: their stages are libcontainer's.
	starting int
	// started are the processes that others reap.
	started map[int]bool
	// failed: a start has failed since the last look.
	failed   bool
	sweeping bool
}

func (s *stages) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starting++
}

// end is told of the process that a start has made, or why it has not.
func (s *stages) end(pid int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starting--
	if err != nil {
		s.failed = true
	} else {
		if s.started == nil {
			s.started = map[int]bool{}
		}
		s.started[pid] = true
	}
	if s.failed && s.starting == 0 && !s.sweeping {
		s.sweeping = true
		go s.sweep()
	}
}

// reaped is told of the end of a process that a start had made.
func (s *stages) reaped(pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.started, pid)
}

// sweep ends what is left. A stage may have started the next one meanwhile, so it
// looks until there is none; if another start is under way, that one's end goes on.
func (s *stages) sweep() {
	for {
		left := s.left()
		if left == nil {
			return
		}
		for _, p := range left {
			// By pidfd: what has been reaped meanwhile is no other process.
			_ = p.Kill()
			_, _ = p.Wait()
		}
	}
}

// left answers what is left; nil, and the sweep is over, if there is nothing or it
// cannot be told now.
func (s *stages) left() []*os.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	var left []*os.Process
	if s.failed && s.starting == 0 {
		left = s.find()
		s.failed = left != nil
	}
	s.sweeping = left != nil
	return left
}

func (s *stages) find() []*os.Process {
	list, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	self := int32(os.Getpid())
	var found []*os.Process
	for _, entry := range list {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || s.started[pid] {
			continue
		}
		stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		info, name, err := parseStat(stat)
		if err != nil || info.Ppid != self || !strings.HasPrefix(name, stageMark) || !inGroup(pid, s.group) {
			continue
		}
		if p, err := os.FindProcess(pid); err == nil {
			found = append(found, p)
		}
	}
	return found
}

// inGroup tells whether a process, or what is left of it, is in a cgroup or below.
func inGroup(pid int, group string) bool {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return false
	}
	path, ok := strings.CutPrefix(strings.TrimSpace(string(data)), "0::")
	// A group that has no living process can be removed before its zombies are.
	path = strings.TrimSuffix(path, " (deleted)")
	return ok && (path == group || strings.HasPrefix(path, group+"/"))
}
