#!/usr/bin/env bats
# shellcheck disable=SC2034
# Pods with containerd's CRI plugin and containerd-shim-kata-v2.

bats_require_minimum_version 1.5.0
load ../podcases
ENGINE=containerd

@test "containerd's pods: a pod's life" { with kata life; }
@test "containerd's pods: several containers in a pod" { with kata several; }
@test "containerd's pods: the processes of another container" { with kata target; }
@test "containerd's pods: a pod has its size and grows" { with kata sizes; }
@test "containerd's pods: what fails leaves nothing" { with kata bad; }
@test "containerd's pods: a volume and a network namespace that vanish" { with kata vanished; }
@test "containerd's pods: restarted while a pod runs" { with kata restart; }
@test "containerd's pods: killed for want of memory" { with kata memory; }
@test "containerd's pods: an exec that takes too long" { with kata timeouts; }
@test "containerd's pods: a port of localhost forwarded" { with kata forwarding; }
@test "containerd's pods: the handler's configuration" { with_configuration kata; }
@test "containerd's pods: annotations that are enabled, and others" { with_annotations kata; }
@test "containerd's pods: ptp, dual stack, bandwidth" { with_network ptp kata dual_stack; }
@test "containerd's pods: macvlan" { with_macvlan kata; }
@test "containerd's pods: two networks" { with_network two kata two_networks; }
