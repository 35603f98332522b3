package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/oci"
)

// resolvConf answers the host's file that becomes a container's resolv.conf.
func resolvConf(spec *specs.Spec) string {
	for _, m := range spec.Mounts {
		if path.Clean(m.Destination) == "/etc/resolv.conf" && oci.KindOf(m) == oci.Shared {
			return m.Source
		}
	}
	return ""
}

// maxServers is what the agent takes; resolvers look at the first 3 (resolv.conf(5)).
const maxServers = 8

// loopbackServers answers the name servers of a resolv.conf that are on a
// loopback address: one of the network namespace on the host, where Docker
// answers for the names of a user-defined network. Others are reached over the
// container's interface.
func loopbackServers(file io.Reader) ([]string, error) {
	var servers []string
	lines := bufio.NewScanner(file)
	for lines.Scan() && len(servers) < maxServers {
		words := strings.Fields(lines.Text())
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		addr, err := netip.ParseAddr(words[1])
		if err == nil && addr.IsLoopback() && addr.Zone() == "" && !slices.Contains(servers, addr.String()) {
			servers = append(servers, addr.String())
		}
	}
	return servers, lines.Err()
}

// nameServers answers the name servers of a container that the guest is to be
// lent. Engines write the file as late as between create and start.
func (c *Container) nameServers() ([]string, error) {
	if c.ResolvConf == "" {
		return nil, nil
	}
	file, err := os.Open(c.ResolvConf)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("name servers: %w", err)
	}
	defer file.Close()
	servers, err := loopbackServers(file)
	if err != nil {
		return nil, fmt.Errorf("name servers in %s: %w", c.ResolvConf, err)
	}
	return servers, nil
}
