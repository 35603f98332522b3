#!/bin/bash
# In the machine that machine.sh boots: Docker and Podman as Debian sets them
# up, with kata as a further runtime, and the tests of this folder.
exec >/dev/virtio-ports/results 2>&1
here=$(dirname "$(readlink -f "$0")")
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8

# The machine is Debian 13's, where virtiofsd is elsewhere than in 12, and slow.
export KATA_RUNTIME=/usr/local/bin/kata-runtime KATA_CONF_FILE=/usr/local/share/defaults/kata-containers/configuration.toml
sed -i -E 's|^#? *virtio_fs_daemon *=.*|virtio_fs_daemon = "/usr/libexec/virtiofsd"|; s|^#? *boot_timeout *=.*|boot_timeout = 900|' "$KATA_CONF_FILE"

echo '{"runtimes": {"kata": {"path": "/usr/local/bin/kata-runtime"}}}' >/etc/docker/daemon.json
cat >/etc/containers/containers.conf <<-END
	[engine]
	infra_image = "localhost/busybox"
	infra_command = "sleep 100000"
	[engine.runtimes]
	kata = ["/usr/local/bin/kata-runtime"]
END

# The same with systemd as driver of cgroups, for tests that know nothing of it.
export KATA_TEST_DEADLINE=900
printf '#!/bin/sh\nexec %s --systemd-cgroup "$@"\n' "$KATA_RUNTIME" >"$KATA_RUNTIME-systemd"
chmod 755 "$KATA_RUNTIME-systemd"

all() {
	local code=0
	bats --tap . || code=1
	KATA_RUNTIME=$KATA_RUNTIME-systemd bats --tap -f 'SIGKILL at many points|another root folder' ../../integration/failures.bats || code=1
	return $code
}

command=$(cat /usr/local/tests/command)
cd "$here" || exit 1
if [ -n "$command" ]; then eval "$command"; else all; fi ||
	journalctl --boot --priority warning --lines 60 --no-pager | sed 's/^/# /'
