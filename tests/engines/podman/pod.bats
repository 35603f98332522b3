#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016
# Pods: one VM for the infra container and the members.

load lib

# podman_pod makes the pod "p", whose infra container needs no other image.
podman_pod() { podman pod create --name p --infra-image localhost/busybox --infra-command "sleep 100000" "$@"; }

vms() { processes_in "$PODMAN_DIR" | grep -c qemu-system; }

@test "a pod is one VM: localhost, the host name and a published port are shared; stop, start" {
	podman_pod -p 18081:80
	podman run -d --pod p --name web busybox sh -c 'mkdir /w; echo "page of $(hostname)" >/w/index.html; trap "exit 4" TERM; httpd -p 80 -h /w; echo ready; while :; do sleep 0.1; done'
	await logs_have web ready
	run -0 podman run --rm --pod p busybox sh -c 'wget -qO- http://127.0.0.1/; hostname; ps | grep -c httpd'
	has $'page of p\np'
	[ "$(vms)" = 1 ]
	run -0 inside curl -sf http://127.0.0.1:18081/
	is "page of p"
	podman pod stop -t 5 p
	[ "$(inspect web '{{.State.ExitCode}}')" = 4 ]
	[ "$(vms)" = 0 ]
	podman pod start p
	run -0 podman exec web hostname
	is p
}

@test "signals that no program handles, the C library's own: a process 1 goes on, another ends by them" {
	podman_pod --share net,ipc,uts,pid
	podman run -d --pod p --name member busybox sh -c 'echo p=$$; exec sleep 10000'
	await logs_have member p=
	[ "$(podman logs member)" != p=1 ]
	podman kill -s 32 member
	[ "$(podman wait member)" = 160 ]
	podman run -d --name alone busybox sleep 10000
	podman kill -s 32 alone
	podman kill -s 33 alone
	podman exec alone true
	is_state alone running
}

# obeys KEY ORDER: our podman runs the command lines of the units' key, ORDER is
# that of their kinds, "pod container" or the other way round, as the units'
# Before= and After= have it: Podman prints the units in any order.
obeys() {
	local kind line
	for kind in $2; do
		# Each unit begins with a comment, its name. A backslash at a line's end
		# joins the next one to it.
		sed ':a; /\\$/ { N; s/\\\n//; ta }' <<<"$units" |
			awk -v key="$1=" -v kind="$kind" '/^# (pod|container)-/ { of = $2 } index(of, kind "-") == 1 && index($0, key) == 1 { print substr($0, length(key) + 1) }' >"$TMP/$kind"
		[ -s "$TMP/$kind" ]
		while read -ra line; do podman "${line[@]:1}" </dev/null; done <"$TMP/$kind"
	done
}

@test "play kube: a pod with two containers and a volume" {
	full
	mkdir "$TMP/v"
	cat >"$TMP/pod.yaml" <<-END
		apiVersion: v1
		kind: Pod
		metadata: {name: kube}
		spec:
		  restartPolicy: Never
		  volumes: [{name: v, hostPath: {path: $TMP/v}}]
		  containers:
		  - name: a
		    image: localhost/busybox
		    imagePullPolicy: Never
		    command: [sh, -c, "echo a >/v/a; mkdir /w; echo page >/w/index.html; exec httpd -f -p 80 -h /w"]
		    volumeMounts: [{name: v, mountPath: /v}]
		  - name: b
		    image: localhost/busybox
		    imagePullPolicy: Never
		    command: [sh, -c, "until wget -qO- http://127.0.0.1/ >/v/b; do :; done; exec sleep 10000"]
		    volumeMounts: [{name: v, mountPath: /v}]
	END
	podman play kube "$TMP/pod.yaml"
	await test -s "$TMP/v/b"
	[ "$(cat "$TMP/v/a" "$TMP/v/b")" = $'a\npage' ]
	[ "$(vms)" = 1 ]
	# What systemd would run.
	run -0 podman generate systemd kube
	local units=$output
	has "podman start"
	obeys ExecStop 'container pod'
	[ "$(vms)" = 0 ]
	rm "$TMP/v/b"
	obeys ExecStart 'pod container'
	await test -s "$TMP/v/b"
	[ "$(vms)" = 1 ]
	podman play kube --down "$TMP/pod.yaml"
	[ "$(vms)" = 0 ]
}
