# shellcheck shell=bash
# shellcheck disable=SC2154 # variables are shared by the steps of scripts/build-image
# The key chain that updates are signed with: a root that belongs offline, and a signing key that it vouches for.

# Uses the chain in folder $keys, or makes one for development there.
key_chain() {
    [[ -e $keys/signing.key.pem && -e $keys/root.cert.pem ]] && return
    [[ $keys == image-build/keys ]] || stop "$keys has no key chain (root.cert.pem, signing.cert.pem, signing.key.pem)."
    say "a key chain for development, in $keys: whoever has it can update what is built with it"
    (
        umask 077
        mkdir -p "$keys"
        chain root "Keepsight development root" 7300 "$keys" "$keys"
        chain signing "Keepsight development signing" 1825 "$keys" "$keys"
    )
}

# chain root|signing NAME DAYS FOLDER FOLDER-OF-THE-ROOT
chain() {
    local what=$1 name=$2 days=$3 in=$4 root_in=$5 signer=()
    cat > "$in/$what.cnf" << END
[req]
distinguished_name = name
prompt = no
[name]
CN = $name
[root]
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[signing]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, codeSigning
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
END
    [[ $what == root ]] || signer=(-CA "/src/$root_in/root.cert.pem" -CAkey "/src/$root_in/root.key.pem")
    tools openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days "$days" \
        -config "/src/$in/$what.cnf" -extensions "$what" "${signer[@]}" \
        -keyout "/src/$in/$what.key.pem" -out "/src/$in/$what.cert.pem" 2> "$in/$what.log" ||
        stop "keys could not be made: $(cat "$in/$what.log")"
    rm "$in/$what.cnf" "$in/$what.log"
}
