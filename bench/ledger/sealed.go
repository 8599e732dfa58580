package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
)

// sealed is a small JSON file with its checksum.
type sealed struct {
	CRC  string          `json:"crc"`
	Body json.RawMessage `json:"body"`
}

// errDamaged says that a sealed file was found, and is not as it was written.
var errDamaged = errors.New("checksum does not match")

// writeSealed writes a value so that the file is there whole or not at all,
// even if the machine stops: written aside, synced, renamed.
func writeSealed(path string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	text, err := seal(body)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return writeWhole(path, text)
}

func seal(body json.RawMessage) ([]byte, error) {
	text, err := json.Marshal(sealed{CRC: Sum(body), Body: body})
	return append(text, '\n'), err
}

// writeWhole replaces a file in one step.
func writeWhole(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// readSealed reads what writeSealed wrote. Where the sum does not match it
// still fills v as far as the JSON allows, and returns errDamaged. So it does
// for any byte beside the body that is not as writeSealed has it.
func readSealed(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var s sealed
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	err = json.Unmarshal(s.Body, v)
	if again, serr := seal(s.Body); serr != nil || !bytes.Equal(again, text) {
		return errDamaged
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return nil
}

// Sum is the CRC-32C of a text in eight hex digits of lower case, as every file of
// JSON carries it.
func Sum(text []byte) string { return fmt.Sprintf("%08x", crc32.Checksum(text, castagnoli)) }

// sumMember is the last member of an object of JSON that carries its own sum.
const sumMember = `,"crc":"`

const sumLength = len(sumMember) + len(`01234567"}`)

// AppendSum gives an object of JSON, which must have a member, another one at
// its end: "crc", the CRC-32C of all that stands before it, in eight hex digits.
// Any other reader of JSON passes over it.
func AppendSum(object []byte) []byte {
	object = bytes.TrimRight(bytes.TrimSuffix(object, []byte("}")), " \n")
	return append(object, sumMember+Sum(object)+`"}`...)
}

// CheckSum checks an object that may have been through [AppendSum]. Found says
// whether it has a sum; the error, that it does not match.
func CheckSum(object []byte) (found bool, err error) {
	at := len(object) - sumLength
	if at < 0 || !bytes.HasPrefix(object[at:], []byte(sumMember)) {
		return false, nil
	}
	if !bytes.Equal(object, AppendSum(append(object[:at:at], '}'))) {
		return true, errDamaged
	}
	return true, nil
}

// syncDir brings the names of a folder to the disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
