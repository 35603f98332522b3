# shellcheck shell=bash disable=SC2154,SC2016,SC2030,SC2031,SC2034,SC2317
# What a pod does, with an engine of a test's own, driven by crictl. A file that
# loads this names the ENGINE; each of its tests says "with HANDLER CASE".

setup_file() {
	load ../lib
	load ../cri
	# Real paths only: CRI-O compares them.
	TMP=$(mktemp -d /tmp/kata-pod.XXXXXX)
	start_registry "$TMP"
	export TMP REGISTRY REGISTRY_PID
}

teardown_file() {
	load ../cri
	stop_registry
	end_sandboxes "$TMP" # of a test that was broken off
	rm -rf "$TMP"
}

setup() {
	load ../lib
	load ../cri
	load ../../teardown
	CGROUP_PARENT=/kata-pods-$$
}

# Each test ends with nothing of a sandbox on the host, however it ended.
teardown() {
	[ -n "${CRI_ENGINE-}" ] || return 0
	cri rmp -af >/dev/null || true
	await no_shims >/dev/null 2>&1 || true
	must halt_cri
	must nothing pods "$(cri_left)"
	end_sandboxes "$CRI_DIR"
	[ -z "${MASTER-}" ] || ip netns del "$MASTER-ns" 2>/dev/null || true
	find /sys/fs/cgroup -depth -type d -path "*$CGROUP_PARENT*" -exec rmdir {} + 2>/dev/null || true
	# A VM must not go on when its root is gone: nobody would find it.
	[ -n "$(sandboxes_in "$CRI_DIR")" ] || rm -rf "$CRI_DIR"
	checked
}

# with HANDLER CASE: an engine is started, and the case runs.
with() {
	HANDLER=$1
	start_cri "$ENGINE" "$TMP/c"
	"$2"
}

# pod NAME [JSON]: makes a pod of this test's handler; POD is its id. JSON is
# merged into its configuration.
pod() {
	mkdir -p "$CRI_DIR/pods/$1"
	jq -n --arg n "$1" --arg l "$CRI_DIR/pods/$1" --arg c "$CGROUP_PARENT" --argjson more "${2-null}" \
		'{metadata: {name: $n, uid: $n, namespace: "test", attempt: 1}, log_directory: $l, linux: {cgroup_parent: $c}} * ($more // {})' >"$CRI_DIR/$1.json"
	POD_JSON=$CRI_DIR/$1.json
	POD=$(cri runp --runtime "$HANDLER" "$POD_JSON")
}

# container NAME JSON SCRIPT: starts a container in the pod; CONTAINER is its id.
container() {
	jq -n --arg n "$1" --arg i "$POD_IMAGE" --arg s "$3" --argjson more "$2" \
		'{metadata: {name: $n}, image: {image: $i}, command: ["sh", "-c", $s], log_path: ($n + ".log"), linux: {}} * $more' >"$CRI_DIR/container.json"
	CONTAINER=$(cri create "$POD" "$CRI_DIR/container.json" "$POD_JSON")
	cri start "$CONTAINER" >/dev/null
}

# STAY is a container that ends with 5 on SIGTERM.
STAY='trap "exit 5" TERM; echo up; while :; do sleep 0.2; done'

inspect() { cri inspect "$1" | jq -r ".status.$2"; }
is_exited() { [ "$(inspect "$1" state)" = CONTAINER_EXITED ]; }
logged() { cri logs "$1" 2>&1 | grep -q "$2"; }

life() {
	pod life
	container c1 '{}' "echo out; echo err >&2; uname -v; $STAY"
	await logged "$CONTAINER" up
	run -0 --separate-stderr cri logs "$CONTAINER"
	[ "${lines[0]}" = out ]
	[ "${lines[1]}" != "$(uname -v)" ]
	[ "$stderr" = err ]

	run -0 cri exec "$CONTAINER" uname -v
	[ "$output" != "$(uname -v)" ]
	run -0 bash -c 'seq 20000 | "$@" | tail -n 1' - timeout 100 "$CRICTL" --config /dev/null --runtime-endpoint "unix://$ENDPOINT" exec -i "$CONTAINER" cat
	is 20000
	run -0 cri exec -s "$CONTAINER" sh -c 'echo sync; exit 0'
	has sync
	run cri exec "$CONTAINER" sh -c 'exit 3'
	has "exit code 3"

	run -0 cri stats -o json "$CONTAINER"
	[ "$(jq '.stats[0].memory.workingSetBytes.value | tonumber > 0' <<<"$output")" = true ]
	[ "$(jq '.stats[0].cpu.usageCoreNanoSeconds.value | tonumber > 0' <<<"$output")" = true ]

	run cri rm "$CONTAINER"
	[ "$status" != 0 ]
	cri stop -t 20 "$CONTAINER"
	is_exited "$CONTAINER"
	[ "$(inspect "$CONTAINER" exitCode)" = 5 ]
	cri rm "$CONTAINER"
	cri stopp "$POD"
	cri rmp "$POD"
	run -0 cri pods -q
	is ""
}

several() {
	pod several '{"linux": {"security_context": {"namespace_options": {"pid": 0}}}}'
	mkdir -p "$CRI_DIR/volume"
	local volume server=$((RANDOM % 20000 + 20000))
	volume=$(jq -n --arg p "$CRI_DIR/volume" '{mounts: [{container_path: "/vol", host_path: $p}]}')
	container server "$volume" "echo hello >/vol/file; echo page >/tmp/index; httpd -f -p $server -h /tmp & echo up; wait"
	local first=$CONTAINER
	await logged "$first" up
	container client "$volume" "cat /vol/file; hostname; $STAY"
	await logged "$CONTAINER" hello
	# localhost is the pod's, and so is the address.
	run -0 cri exec "$CONTAINER" wget -qO- "http://127.0.0.1:$server/index"
	is page
	local ip
	ip=$(cri inspectp "$POD" | jq -r .status.network.ip)
	run curl -sS --max-time 60 "http://$ip:$server/index"
	is page
	# One pid namespace.
	run -0 cri exec "$CONTAINER" ps
	has "httpd -f -p $server"
	# One that ends takes none with it, and its place can be taken.
	cri stop -t 0 "$first"
	cri rm "$first"
	run -0 cri exec "$CONTAINER" echo still
	is still
	container again "$volume" 'cat /vol/file; exit 4'
	await is_exited "$CONTAINER"
	[ "$(inspect "$CONTAINER" exitCode)" = 4 ]
}

# target: the processes of one container, for another (kubectl debug --target).
target() {
	pod target
	local own='{"linux": {"security_context": {"namespace_options": {"pid": 1}}}}' first
	container app "$own" ": app; $STAY"
	first=$CONTAINER
	await logged "$first" up
	container debug "$(jq -n --arg id "$first" '{linux: {security_context: {namespace_options: {pid: 3, target_id: $id}}}}')" ": debug; $STAY"
	await logged "$CONTAINER" up
	run -0 cri exec "$CONTAINER" sh -c 'tr "\0" " " </proc/1/cmdline; ps'
	[[ $output == "sh -c : app;"* ]]
	has ": debug;"
	container other "$own" ": other; $STAY"
	await logged "$CONTAINER" up
	run -0 cri exec "$CONTAINER" ps
	has ": other;"
	hasnt ": app;"
	hasnt ": debug;"
}

bad() {
	pod bad
	jq -n --arg i "$POD_IMAGE" '{metadata: {name: "c"}, image: {image: $i}, command: ["no-such-command"], log_path: "c.log", linux: {}}' >"$CRI_DIR/container.json"
	run cri create "$POD" "$CRI_DIR/container.json" "$POD_JSON"
	[ "$status" = 0 ] && run cri start "$output"
	[ "$status" != 0 ]
	has no-such-command
	container c1 '{}' "$STAY"
	run cri exec -s "$CONTAINER" no-such-command
	[ "$status" != 0 ]
	run -0 cri exec "$CONTAINER" echo fine
	is fine
	# A pod that is not there any more when it ends.
	pkill -KILL -f "qemu-system.* -name ${POD}[, ]"
	await is_exited "$CONTAINER"
	cri rmp -f "$POD"
}

# What a pod stands on goes away under it.
vanished() {
	pod vanished
	container c1 '{}' "$STAY"
	local c1=$CONTAINER late namespace
	mkdir "$CRI_DIR/vanishing"
	jq -n --arg i "$POD_IMAGE" --arg p "$CRI_DIR/vanishing" '{metadata: {name: "late"}, image: {image: $i}, command: ["sleep", "1000"],
		log_path: "late.log", mounts: [{container_path: "/vol", host_path: $p}], linux: {}}' >"$CRI_DIR/late.json"
	if [ "$ENGINE" = containerd ]; then
		# It has the runtime make the container at its start only.
		late=$(cri create "$POD" "$CRI_DIR/late.json" "$POD_JSON")
		rmdir "$CRI_DIR/vanishing"
		run cri start "$late"
		[ "$status" != 0 ]
		has "share $CRI_DIR/vanishing: no such file or directory"
	fi
	namespace=$(cri inspectp "$POD" | jq -r '.info.runtimeSpec.linux.namespaces[] | select(.type == "network") | .path')
	umount -l "$namespace"
	rm -f "$namespace"
	run -0 cri exec -s "$c1" echo fine
	has fine
	cri rmp -f "$POD"
	run ! cri create "$POD" "$CRI_DIR/late.json" "$POD_JSON"
}

restart() {
	pod restart
	container c1 '{}' "$STAY"
	await logged "$CONTAINER" up
	restart_cri
	[ "$(inspect "$CONTAINER" state)" = CONTAINER_RUNNING ]
	run -0 cri exec -s "$CONTAINER" echo again
	has again
	cri stop -t 20 "$CONTAINER"
	[ "$(inspect "$CONTAINER" exitCode)" = 5 ]
}

forwarding() {
	pod forwarding
	# The server is on localhost only: the pod's address does not lead there.
	container c1 '{}' "echo page >/tmp/index; exec httpd -f -p 127.0.0.1:8080 -h /tmp"
	await cri exec -s "$CONTAINER" wget -qO /dev/null http://127.0.0.1:8080/index
	cri port-forward "$POD" 0:8080 0:8081 >"$CRI_DIR/forward" 2>&1 3>&- &
	local pid=$! ports
	await grep -q '8081$' "$CRI_DIR/forward"
	mapfile -t ports < <(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) -> .*/\1/p' "$CRI_DIR/forward")
	run -0 curl -sS --max-time 60 "http://127.0.0.1:${ports[0]}/index"
	is page
	run curl -sS --max-time 60 "http://127.0.0.1:${ports[1]}/index"
	[ "$status" != 0 ]
	# cri may have ended by itself: it gives up when a connection fails.
	kill "$pid" 2>/dev/null || true
	wait "$pid" || true
}

# The pod's VM has the size that the kubelet announces, and grows by an update.
sizes() {
	local limits='{"resources": {"memory_limit_in_bytes": 536870912, "cpu_period": 100000, "cpu_quota": 50000}}'
	pod sizes "{\"linux\": $limits}"
	container c1 "{\"linux\": $limits}" "$STAY"
	run -0 cri exec "$CONTAINER" sh -c 'grep MemTotal /proc/meminfo | tr -dc 0-9'
	[ "$output" -gt $((512 << 10)) ]
	local before=$output
	cri update --memory $((900 << 20)) "$CONTAINER"
	run -0 cri exec "$CONTAINER" sh -c 'cat /sys/fs/cgroup/memory.max; grep MemTotal /proc/meminfo | tr -dc 0-9'
	[ "${lines[0]}" = $((900 << 20)) ]
	[ "${lines[1]}" -gt $((before + (300 << 10))) ]
	run cri update --memory $((4 << 40)) "$CONTAINER"
	[ "$status" != 0 ]
	has "cannot grow that far"
	run -0 cri exec "$CONTAINER" cat /sys/fs/cgroup/memory.max
	is $((900 << 20))
}

memory() {
	pod memory
	container c1 '{"linux": {"resources": {"memory_limit_in_bytes": 33554432}}}' 'exec dd if=/dev/zero of=/dev/null bs=48M'
	await is_exited "$CONTAINER"
	[ "$(inspect "$CONTAINER" exitCode)" = 137 ]
	[ "$(inspect "$CONTAINER" reason)" = OOMKilled ]
}

timeouts() {
	pod timeouts
	container c1 '{}' "$STAY"
	run cri exec -s --timeout 2 "$CONTAINER" sleep 1234
	[ "$status" != 0 ]
	gone() { ! cri exec -s "$CONTAINER" ps | grep -q 'sleep 1234'; }
	await gone
}

# The handler's configuration (runtimeOptions' ConfigPath) gives each VM more
# memory than the one that the environment names.
with_configuration() {
	HANDLER_CONF=$TMP/handler.toml
	sed -E 's|^#? *default_memory *=.*|default_memory = 384|' "$KATA_CONF_FILE" >"$HANDLER_CONF"
	with "$1" configuration
}

configuration() {
	pod configuration
	container c1 '{}' "$STAY"
	run -0 cri exec -s "$CONTAINER" sh -c 'grep MemTotal /proc/meminfo | tr -dc 0-9'
	[ "$output" -gt $((300 << 10)) ]
	[ "$output" -le $((384 << 10)) ]
}

# with_annotations HANDLER: a configuration that enables one.
with_annotations() {
	sed -E 's|^#? *enable_annotations *=.*|enable_annotations = ["default_memory"]|' "$KATA_CONF_FILE" >"$TMP/annotations.toml"
	export KATA_CONF_FILE=$TMP/annotations.toml
	with "$1" annotations
}

annotations() {
	pod larger '{"annotations": {"io.katacontainers.config.hypervisor.default_memory": "384"}}'
	container c1 '{}' "$STAY"
	run -0 cri exec -s "$CONTAINER" sh -c 'grep MemTotal /proc/meminfo | tr -dc 0-9'
	[ "$output" -gt $((300 << 10)) ]
	run pod refused '{"annotations": {"io.katacontainers.config.hypervisor.default_vcpus": "2"}}'
	[ "$status" != 0 ]
	has "io.katacontainers.config.hypervisor.default_vcpus: not enabled by enable_annotations"
	run pod wrong '{"annotations": {"io.katacontainers.config.hypervisor.default_memory": "1G"}}'
	[ "$status" != 0 ]
	has 'is not a whole number'
	run -0 cri exec -s "$CONTAINER" echo fine
	has fine
}

# with_network KIND HANDLER CASE
with_network() {
	CNI_KIND=$1
	with "$2" "$3"
}

# addresses: of the pod, a line each.
addresses() { cri inspectp "$POD" | jq -r '.status.network | .ip, .additionalIps[]?.ip'; }

# A pair of interfaces with both kinds of addresses, whose speed is bounded.
dual_stack() {
	pod dual
	container c1 '{}' "head -c 8000000 /dev/zero >/tmp/page; httpd -p 8080 -h /tmp; $STAY"
	await cri exec -s "$CONTAINER" wget -qO /dev/null http://127.0.0.1:8080/page
	local all ip
	mapfile -t all < <(addresses)
	[ "${#all[@]}" = 2 ]
	for ip in "${all[@]}"; do
		run -0 cri exec -s "$CONTAINER" ip -o addr show dev eth0
		has " $ip/"
		case $ip in *:*) ip="[$ip]" ;; esac
		[ "$(curl -gsS --max-time 100 "http://$ip:8080/page" | wc -c)" = 8000000 ]
	done
	# The bound is the engine's, on the host.
	run -0 bash -c 'tc qdisc | grep -c "^qdisc tbf .* rate 40Mbit"'
	[ "$output" -ge 2 ]
	run -0 cri exec -s "$CONTAINER" ip -6 route show default
	has "via fd00:"
}

# Two networks: an interface of the guest for each, which the host reaches by
# its address, and the routes of both.
two_networks() {
	pod two
	container c1 '{}' "echo page >/tmp/page; httpd -p 8080 -h /tmp; $STAY"
	await cri exec -s "$CONTAINER" wget -qO /dev/null http://127.0.0.1:8080/page
	local net address
	for net in "eth0 $CRI_SUBNET" "eth1 $CRI_SUBNET2"; do
		run -0 cri exec -s "$CONTAINER" ip -o -4 addr show dev "${net% *}"
		address=$(grep -oE 'inet [0-9.]+' <<<"$output" | cut -d' ' -f2)
		[ "${address%.*}" = "$(cut -d. -f1-3 <<<"${net#* }")" ]
		[ "$(curl -sS --max-time 60 "http://$address:8080/page")" = page ]
	done
	run -0 cri exec -s "$CONTAINER" ip route
	grep -q '^default via .* dev eth0' <<<"$output"
	grep -q '^198\.51\.100\.0/24 via .* dev eth1' <<<"$output"
}

# An interface that is made from one of the host's.
macvlan() {
	pod macvlan
	container c1 '{}' "echo page >/tmp/page; httpd -p 8080 -h /tmp; $STAY"
	await cri exec -s "$CONTAINER" wget -qO /dev/null http://127.0.0.1:8080/page
	run -0 ip netns exec "$MASTER-ns" curl -sS --max-time 60 "http://$(addresses):8080/page"
	is page
}

# with_macvlan HANDLER: the host's interface leads to a namespace.
with_macvlan() {
	MASTER=kata-mv$$
	CRI_BRIDGE=$MASTER CRIO_BRIDGE=$MASTER
	local subnet=$CRI_SUBNET
	[ "$ENGINE" = containerd ] || subnet=$CRIO_SUBNET
	ip netns add "$MASTER-ns"
	ip link add "$MASTER" type veth peer name eth0 netns "$MASTER-ns"
	ip link set "$MASTER" up
	ip -n "$MASTER-ns" addr add "${subnet%.0/24}.254/24" dev eth0
	ip -n "$MASTER-ns" link set eth0 up
	with_network macvlan "$1" macvlan
}
