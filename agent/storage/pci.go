package storage

import "strings"

// Patterns would do, but a package of them costs the agent's start what a
// hundredth of the guest's boot costs, under TCG.

// isPCIPath tells whether s is one or more numbers of slots from the root bridge
// on, with their functions perhaps: "03", "02.0/1f.7".
func isPCIPath(s string) bool {
	for part := range strings.SplitSeq(s, "/") {
		slot, function, has := strings.Cut(part, ".")
		if !isHex(slot, 2) || has && !isFunction(function) {
			return false
		}
	}
	return true
}

// pciSlot answers "SLOT.FUNCTION" of a name that sysfs gives a PCI device,
// DOMAIN:BUS:SLOT.FUNCTION.
func pciSlot(name string) (string, bool) {
	// 4, 2, 2 hexadecimal digits and one octal.
	if len(name) != len("0000:00:00.0") || name[4] != ':' || name[7] != ':' || name[10] != '.' ||
		!isHex(name[:4], 4) || !isHex(name[5:7], 2) || !isHex(name[8:10], 2) || !isFunction(name[11:]) {
		return "", false
	}
	return name[8:], true
}

func isHex(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

func isFunction(s string) bool { return len(s) == 1 && s[0] >= '0' && s[0] <= '7' }
