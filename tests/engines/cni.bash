# shellcheck shell=bash
# CNI networks for an engine of a test.

# cni_conflist NAME DEVICE SUBNET DIR: a configuration list of the kind that
# CNI_KIND names; DIR is where host-local keeps what it has given.
#   bridge (default)  DEVICE is the bridge; ports of the host can be mapped
#   ptp               a pair for each pod; IPv4 and IPv6; bounded to 40 Mbit/s
#   macvlan           DEVICE is the interface of the host that it is made from
#   two               a bridge; cni_second is what each pod has beside it
cni_conflist() {
	local plugins
	case ${CNI_KIND:-bridge} in
	bridge | two)
		plugins="{\"type\": \"bridge\", \"bridge\": \"$2\", \"isGateway\": true, \"ipMasq\": true, \"ipam\": $(cni_ipam "$3" "$4")},
			{\"type\": \"portmap\", \"capabilities\": {\"portMappings\": true}}"
		;;
	ptp)
		plugins="{\"type\": \"ptp\", \"ipMasq\": true, \"ipam\": $(cni_ipam "$3" "$4" "fd00:$((RANDOM % 9000 + 1000))::/64")},
			{\"type\": \"bandwidth\", \"ingressRate\": 40000000, \"ingressBurst\": 40000000, \"egressRate\": 40000000, \"egressBurst\": 40000000}"
		;;
	macvlan) plugins="{\"type\": \"macvlan\", \"master\": \"$2\", \"mode\": \"bridge\", \"ipam\": $(cni_ipam "$3" "$4")}" ;;
	*) echo "no CNI network of kind $CNI_KIND" >&2; return 1 ;;
	esac
	printf '{"cniVersion": "0.4.0", "name": "%s", "plugins": [%s]}\n' "$1" "$plugins"
}

# cni_second NAME SUBNET DIR: a second network, a pair for each pod, by which
# one other subnet is reached.
cni_second() {
	printf '{"cniVersion": "0.4.0", "name": "%s", "plugins": [{"type": "ptp", "ipam": %s}]}\n' "$1" \
		"$(cni_ipam "$2" "$3" | jq -c '.routes = [{dst: "198.51.100.0/24"}]')"
}

# cni_ipam SUBNET DIR [SUBNET6]
cni_ipam() {
	jq -cn --arg dir "$2" --arg v4 "$1" --arg v6 "${3-}" '{type: "host-local", dataDir: $dir,
		ranges: ([[{subnet: $v4}]] + if $v6 == "" then [] else [[{subnet: $v6}]] end),
		routes: ([{dst: "0.0.0.0/0"}] + if $v6 == "" then [] else [{dst: "::/0"}] end)}'
}
