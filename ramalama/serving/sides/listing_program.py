"""The program of a shell that lists the files and devices of a host; see `host_listing`."""

from __future__ import annotations

from ramalama.serving.sides.host_listing import LARGEST_FILE

# $1 to $6: the directories that are /sys, /proc, /dev, /etc/cdi, /var/run/cdi and /proc/device-tree
# of the host. Only a shell and coreutils are needed. The output is that of `host_listing`. No
# device is opened: a watchdog would begin to run.
PROGRAM = """\
exec 2>/dev/null
export LC_ALL=C

value() {
  line=
  [ -f "$1" ] && { IFS= read -r line < "$1" || [ "$line" ]; } && printf 'v %s %s\\n' "$2" "$line"
}
whole() {
  [ -f "$1" ] || return
  printf 'f %s\\n' "$2"
  head -c "$3" "$1" | base64 -w 4000
  echo .
}
link() {
  [ -L "$1" ] && printf 'l %s %s\\n' "$2" "$(readlink "$1")"
}

echo "machine $(uname -m)"
for card in "$1"/bus/pci/devices/*; do
  class=
  IFS= read -r class < "$card/class"
  case $class in 0x03* | 0x12*) ;; *) continue ;; esac
  at=/sys/bus/pci/devices/${card##*/}
  for name in class vendor device product_name mem_info_vram_total mem_info_vram_used; do
    value "$card/$name" "$at/$name"
  done
  link "$card/driver" "$at/driver"
  for node in "$card"/drm/renderD*; do
    [ -e "$node" ] && echo "e $at/drm/${node##*/}"
  done
  for tile in "$card"/tile[0-9]*; do
    value "$tile/physical_vram_size_bytes" "$at/${tile##*/}/physical_vram_size_bytes"
  done
done
for node in "$1"/class/drm/renderD*; do
  [ -e "$node" ] || continue
  at=/sys/class/drm/${node##*/}
  echo "e $at"
  if [ -L "$node/device/driver" ]; then
    link "$node/device/driver" "$at/device/driver"
    value "$node/device/features" "$at/device/features"
  else
    link "$node/device" "$at/device"
  fi
done
[ -e "$1/class/kfd/kfd/topology" ] && echo 'e /sys/class/kfd/kfd/topology'
for node in "$1"/class/kfd/kfd/topology/nodes/*; do
  at=/sys/class/kfd/kfd/topology/nodes/${node##*/}
  whole "$node/properties" "$at/properties" 65536
  for bank in "$node"/mem_banks/*; do
    whole "$bank/properties" "$at/mem_banks/${bank##*/}/properties" 65536
  done
done
for driver in amdgpu mtgpu; do
  value "$1/module/$driver/version" "/sys/module/$driver/version"
done
whole "$2/driver/nvidia/version" /proc/driver/nvidia/version 65536
for card in "$2"/driver/nvidia/gpus/*; do
  whole "$card/information" "/proc/driver/nvidia/gpus/${card##*/}/information" 65536
done
for file in "$4"/*.json "$4"/*.yaml; do
  whole "$file" "/etc/cdi/${file##*/}" LARGEST
done
for file in "$5"/*.json "$5"/*.yaml; do
  whole "$file" "/var/run/cdi/${file##*/}" LARGEST
done
for name in compatible model; do
  whole "$6/$name" "/proc/device-tree/$name" 4096
done
if cd "$3"; then
  set --
  for node in * */*; do
    case $node in tty* | vcs* | hvc* | std* | fd/* | pts/* | shm/* | mqueue/*) continue ;; esac
    [ -c "$node" ] && set -- "$@" "$node"
  done
  [ $# -eq 0 ] || stat -L -c 'c %a %u %g /dev/%n' -- "$@"
  for node do
    [ -r "$node" ] && [ -w "$node" ] && echo "o /dev/$node"
  done
fi
echo end
""".replace("LARGEST", str(LARGEST_FILE))
