package share

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"regexp"
	"sync"
)

// placeForm is that of the folder's entries, which no path of a caller's has.
var placeForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^@[0-9a-z]{1,64}$`) })

// NewPlace names a place in the folder, for one container or one volume. None is
// used twice: for about a second after a mount has gone, the guest's kernel may
// remember what was there, and mount that again for who comes next.
func NewPlace() string {
	b := make([]byte, 6)
	rand.Read(b) // never fails
	return "@" + hex.EncodeToString(b)
}

func checkPlace(place string) error {
	if !placeForm().MatchString(place) {
		return fmt.Errorf("place %q in the shared folder: @ and letters and digits only", place)
	}
	return nil
}
