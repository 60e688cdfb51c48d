# shellcheck shell=sh disable=SC2154
# Run by the test inside the image, as root: is what was set on the card so? Two simulated radios (mac80211_hwsim) are there a while
# after the start, as a slow USB stick is: the hub has the first, the second one is the home's router. $key is the owner's half of what may sign in.
say() { echo "FIRST $*"; }
say "name $(cat /proc/sys/kernel/hostname)"
say "zone $(date +%Z)"
say "card $(cd /efi && echo first-boot*)"
say "kept $(stat --format='%U %a' /var/lib/keepsight/system/first-boot.json)"

# SSH: the key opens, and a stranger's does not.
umask 077
echo "$key" > /run/ada
ssh-keygen -q -t ed25519 -N '' -f /run/stranger
for who in ada stranger; do
    for _ in $(seq 60); do
        said=$(ssh -i "/run/$who" -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@127.0.0.1 'id -un' 2>&1 < /dev/null)
        case $said in *refused*) sleep 2 ;; *) break ;; esac
    done
    say "ssh $who $(echo "$said" | tail -n 1)"
done

systemctl --quiet --runtime mask keepsight-wifi@wlan1.service
modprobe mac80211_hwsim radios=2
printf 'network={\n\tssid="Home"\n\tmode=2\n\tfrequency=2412\n\tkey_mgmt=WPA-PSK\n\tproto=RSN\n\tpairwise=CCMP\n\tpsk="correct horse"\n}\n' > /run/home.conf
wpa_supplicant -B -iwlan1 -c/run/home.conf > /dev/null
for _ in $(seq 120); do
    [ "$(cat /sys/class/net/wlan0/operstate)" != up ] || break
    sleep 1
done
say "wifi $(cat /sys/class/net/wlan0/operstate)"
for unit in $(systemctl --failed --no-legend --plain | cut -d' ' -f1); do
    say "failed $unit"
    journalctl --boot --unit "$unit" --no-pager --output=cat --lines=12 | sed "s/^/FIRST why $unit: /"
done
say "end"
