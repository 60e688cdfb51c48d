# shellcheck shell=sh
# Run by the test inside the image, as root, on a machine without a network device: two simulated radios (mac80211_hwsim), of which
# the hub has the first; the second one is a phone, then the home's network.
systemctl --quiet --runtime mask keepsight-wifi@wlan1.service
modprobe mac80211_hwsim radios=2

# Waits until a command succeeds; says so.
until_() {
    what=$1
    shift
    for _ in $(seq 300); do
        if "$@" > /dev/null 2>&1; then
            echo "RADIO $what"
            return 0
        fi
        sleep 1
    done
    echo "RADIO failed: not $what"
    systemctl --no-pager status 'keepsight-wifi@*' keepsight-wifi-change.service | tail -n 40 | sed 's/^/RADIO status /'
    networkctl --no-pager status wlan0 wlan1 | sed 's/^/RADIO status /'
    echo "RADIO end"
    exit
}
stage() { grep -q "\"stage\":\"$1\"" /run/keepsight-system/wifi.json; }
address() { networkctl --no-pager status "$1" | grep -q " $2"; }
joined() { [ "$(cat /sys/class/net/wlan0/operstate)" = up ] && [ -e /run/keepsight-system/wifi.conf ]; }
# The home's router. It is in this machine, which takes it for a network that leads to the hub: without it the hub's own opens.
home() { wpa_supplicant -B -iwlan1 -c/run/home.conf -P/run/home.pid > /dev/null; }
gone() {
    pid=$(cat "$1")
    kill "$pid"
    while [ -d "/proc/$pid" ]; do sleep 1; done
}
# As the hub does.
ask() {
    printf '[wifi]\nssid = "%s"\npassword = "%s"\ncountry = "DE"\n' "$1" "$2" > /run/ask
    chown keepsight:keepsight /run/ask
    mv /run/ask /run/keepsight/wifi.toml
}

screen=/run/keepsight-wifi/wlan0/screen.txt
until_ "open, and on the screen" test -e "$screen"
password=$(sed -n 's/.*Password: //p' "$screen")
name=$(sed -n 's/.*Wi-Fi: \(.*\)  Password.*/\1/p' "$screen")

printf 'network={\n\tssid="%s"\n\tpsk="%s"\n}\n' "$name" "$password" > /run/phone.conf
wpa_supplicant -B -iwlan1 -c/run/phone.conf -P/run/phone.pid > /dev/null
until_ "a phone joins by what the screen says, and has an address" address wlan1 10.77.77.

ask Nowhere "correct horse"
until_ "a network that is not there is tried" stage joining
until_ "and given up" stage failed
until_ "the hub's own is open again" test -e "$screen"
[ "$(sed -n 's/.*Password: //p' "$screen")" = "$password" ] && echo "RADIO with the same password"

gone /run/phone.pid
printf 'network={\n\tssid="Home"\n\tmode=2\n\tfrequency=2412\n\tkey_mgmt=WPA-PSK\n\tproto=RSN\n\tpairwise=CCMP\n\tpsk="correct horse"\n}\n' > /run/home.conf
home
ask Home "wrong horse"
until_ "the home's network with a wrong password is tried" stage joining
until_ "and that is given up" stage failed
gone /run/home.pid
until_ "with the hub's own open once more" test -e "$screen"
home
ask Home "correct horse"
until_ "the home's network is joined" stage joined
until_ "and in use" joined
[ ! -e "$screen" ] && echo "RADIO and the hub's own is shut"
grep -q '"ssid": "Home"' /var/lib/keepsight/system/first-boot.json && echo "RADIO and it is kept"
systemctl --failed --no-legend --plain | sed 's/^/RADIO failed /'
echo "RADIO end"
