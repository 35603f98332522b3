package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent/uevent"
)

// Online brings plugged CPUs into use, until at least as many are as wanted,
// and with memory all blocks that are not, until at least as many are as
// wanted. What is still being plugged is waited for, until ctx ends.
func Online(ctx context.Context, req *agentpb.OnlineResourcesRequest) (*agentpb.OnlineResourcesReply, error) {
	if req.Cpus > 0 {
		err := uevent.Until(ctx, "cpu", func() (bool, error) {
			if err := onlineAll("/sys/devices/system/cpu/cpu[0-9]*/online", "0", "1"); err != nil {
				return false, err
			}
			n, err := onlineCPUs()
			return n >= req.Cpus, err
		})
		if err != nil {
			return nil, fmt.Errorf("bring %d CPUs online: %w", req.Cpus, err)
		}
	}
	if req.Memory {
		err := uevent.Until(ctx, "memory", func() (bool, error) {
			if err := onlineAll(blockStates, "offline", "online"); err != nil {
				return false, err
			}
			n, err := onlineBlocks()
			return n >= req.MemoryBlocks, err
		})
		if err != nil {
			return nil, fmt.Errorf("bring memory online: %w", err)
		}
	}
	reply := &agentpb.OnlineResourcesReply{}
	var err error
	if reply.Cpus, err = onlineCPUs(); err != nil {
		return nil, err
	}
	if reply.MemoryBlocks, err = onlineBlocks(); err != nil {
		return nil, err
	}
	if reply.MemoryBlockSize, err = blockSize(); err != nil {
		return nil, err
	}
	info, err := memInfo()
	if err != nil {
		return nil, err
	}
	reply.Memory = info["MemTotal"]
	return reply, nil
}

// blockStates are the files that hold "online" or "offline" for each block.
const blockStates = memoryBlocks + "/memory[0-9]*/state"

func onlineBlocks() (n uint64, err error) {
	files, err := filepath.Glob(blockStates)
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err == nil && string(bytes.TrimSpace(data)) == "online" {
			n++
		}
	}
	return n, nil
}

// onlineAll writes one word to each of the files that hold another.
func onlineAll(pattern, from, to string) error {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue // unplugged meanwhile
		}
		if err != nil {
			return err
		}
		if string(bytes.TrimSpace(data)) != from {
			continue
		}
		err = os.WriteFile(file, []byte(to), 0)
		// EBUSY and EINVAL: the kernel has done so itself meanwhile.
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EBUSY) {
			return err
		}
	}
	return nil
}
