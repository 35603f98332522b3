#!/usr/bin/env bats
# shellcheck disable=SC2034
# CRI-O with both of its ways to run a VM: conmon with kata-runtime (kata-oci)
# and containerd-shim-kata-v2 (kata-vm).

bats_require_minimum_version 1.5.0
load ../podcases
ENGINE=crio

@test "CRI-O, conmon: a pod's life" { with kata-oci life; }
@test "CRI-O, conmon: several containers in a pod" { with kata-oci several; }
@test "CRI-O, conmon: the processes of another container" { with kata-oci target; }
@test "CRI-O, conmon: a pod has its size and grows" { with kata-oci sizes; }
@test "CRI-O, conmon: what fails leaves nothing" { with kata-oci bad; }
@test "CRI-O, conmon: a volume and a network namespace that vanish" { with kata-oci vanished; }
@test "CRI-O, conmon: restarted while a pod runs" { with kata-oci restart; }
@test "CRI-O, conmon: killed for want of memory" { with kata-oci memory; }
@test "CRI-O, conmon: an exec that takes too long" { with kata-oci timeouts; }
@test "CRI-O, conmon: a port of localhost forwarded" { with kata-oci forwarding; }
@test "CRI-O, conmon: ptp, dual stack, bandwidth" { with_network ptp kata-oci dual_stack; }
@test "CRI-O, conmon: annotations that are enabled, and others" { with_annotations kata-oci; }

@test "CRI-O, shimv2: a pod's life" { with kata-vm life; }
@test "CRI-O, shimv2: several containers in a pod" { with kata-vm several; }
@test "CRI-O, shimv2: the processes of another container" { with kata-vm target; }
@test "CRI-O, shimv2: a pod has its size and grows" { with kata-vm sizes; }
@test "CRI-O, shimv2: what fails leaves nothing" { with kata-vm bad; }
@test "CRI-O, shimv2: restarted while a pod runs" { with kata-vm restart; }
@test "CRI-O, shimv2: killed for want of memory" { with kata-vm memory; }
@test "CRI-O, shimv2: an exec that takes too long" { with kata-vm timeouts; }
@test "CRI-O, shimv2: the handler's configuration" { with_configuration kata-vm; }
@test "CRI-O, shimv2: macvlan" { with_macvlan kata-vm; }
# CRI-O forwards no ports of a runtime of type "vm": it takes the connection and
# does nothing with it (1.34, runtimeVM.PortForwardContainer).
