package workflow_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/stillwater-go/workflow"
	"github.com/stillwater-go/workflow/adapters/memory"
)

// Vault encrypts with AES-GCM. Its bytes begin with the number of the key, so that keys can be changed: a new one encrypts from now on, the old
// ones decrypt as long as something needs them.
type Vault struct {
	keys    map[byte]cipher.AEAD
	current byte
}

// NewVault makes a Vault of keys of 16, 24 or 32 bytes, which a real program gets from its secret store.
func NewVault(current byte, keys map[byte][]byte) (*Vault, error) {
	v := &Vault{keys: make(map[byte]cipher.AEAD), current: current}
	for id, key := range keys {
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", id, err)
		}
		if v.keys[id], err = cipher.NewGCM(block); err != nil {
			return nil, fmt.Errorf("key %d: %w", id, err)
		}
	}
	if v.keys[current] == nil {
		return nil, fmt.Errorf("there is no key %d", current)
	}
	return v, nil
}

// Name is stored with every object.
func (v *Vault) Name() string { return "aes-gcm" }

// Encode returns the key's number, a random nonce, and the ciphertext with its tag. The number is authenticated too.
func (v *Vault) Encode(plain []byte) ([]byte, error) {
	aead := v.keys[v.current]
	out := make([]byte, 1+aead.NonceSize(), 1+aead.NonceSize()+len(plain)+aead.Overhead())
	out[0] = v.current
	if _, err := rand.Read(out[1:]); err != nil {
		return nil, err
	}
	return aead.Seal(out, out[1:], plain, out[:1]), nil
}

// Decode decrypts with the key that the bytes name.
func (v *Vault) Decode(stored []byte) ([]byte, error) {
	if len(stored) == 0 || v.keys[stored[0]] == nil {
		return nil, workflow.Permanent(errors.New("the key is not here"))
	}
	aead := v.keys[stored[0]]
	if len(stored) < 1+aead.NonceSize() {
		return nil, workflow.Permanent(errors.New("the bytes are cut short"))
	}
	return aead.Open(nil, stored[1:1+aead.NonceSize()], stored[1+aead.NonceSize():], stored[:1])
}

// Objects are encrypted in the store, and the key is changed while a run is under way.
func ExampleWithCodec() {
	store := memory.New()
	defer store.Close()
	ctx := context.Background()
	keys := map[byte][]byte{1: []byte("an old key, with thirty-two byte")}

	// The program of last year triggers a run.
	vault, err := NewVault(1, keys)
	if err != nil {
		log.Fatal(err)
	}
	before, err := orderSteps().BuildOn(store, workflow.WithCodec(vault))
	if err != nil {
		log.Fatal(err)
	}
	id, err := before.Trigger(ctx, "order-1", workflow.WithInitialValue[Order, OrderStatus](&Order{Email: "ada@example.com"}))
	if err != nil {
		log.Fatal(err)
	}

	// This year's has a new key, and the old one to read what is there.
	keys[2] = []byte("a new key, also of 32 bytes long")
	vault, err = NewVault(2, keys)
	if err != nil {
		log.Fatal(err)
	}
	orders, err := orderSteps().BuildOn(store, workflow.WithCodec(vault))
	if err != nil {
		log.Fatal(err)
	}
	orders.Run(ctx)
	defer orders.Stop()
	run, err := orders.Await(ctx, "order-1", id, Shipped)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.Object.Email, run.Object.Paid)
	fmt.Println("readable in the store:", strings.Contains(string(run.Record.Object), "ada"))
	// Output:
	// ada@example.com true
	// readable in the store: false
}

// orderSteps is a workflow that pays and ships.
func orderSteps() *workflow.Builder[Order, OrderStatus] {
	b := workflow.NewBuilder[Order, OrderStatus]("order")
	b.AddStep(Placed, func(ctx context.Context, r *OrderRun) (OrderStatus, error) {
		r.Object.Paid = true
		return Paid, nil
	}, Paid)
	b.AddStep(Paid, func(ctx context.Context, r *OrderRun) (OrderStatus, error) { return Shipped, nil }, Shipped)
	return b
}

// Objects are compressed in the store. Runs that were triggered before go over to it as they move.
func ExampleCompressed() {
	store := memory.New()
	defer store.Close()
	orders, err := orderSteps().BuildOn(store, workflow.WithCodec(workflow.Compressed()))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	orders.Run(ctx)
	defer orders.Stop()
	long := strings.Repeat("ada", 1000) + "@example.com"
	id, err := orders.Trigger(ctx, "order-1", workflow.WithInitialValue[Order, OrderStatus](&Order{Email: long}))
	if err != nil {
		log.Fatal(err)
	}
	run, err := orders.Await(ctx, "order-1", id, Shipped)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.Object.Email == long, len(run.Record.Object) < 200)
	// Output: true true
}

// The email of an order was once called "mail". Runs of that time are read by an upgrade, and stored in the new version when they move.
func ExampleWithObjectVersion() {
	upgrades := map[uint]workflow.ObjectUpgrade{
		0: func(object json.RawMessage) (json.RawMessage, error) { // objects stored without a version are of version 0
			fields := make(map[string]json.RawMessage)
			if err := json.Unmarshal(object, &fields); err != nil {
				return nil, err
			}
			fields["Email"] = fields["mail"]
			delete(fields, "mail")
			return json.Marshal(fields)
		},
	}
	store := memory.New()
	defer store.Close()
	type OldOrder struct {
		Mail string `json:"mail"`
	}
	old := workflow.NewBuilder[OldOrder, OrderStatus]("order")
	old.AddStep(Placed, func(ctx context.Context, r *workflow.Run[OldOrder, OrderStatus]) (OrderStatus, error) {
		return Paid, nil
	}, Paid)
	before, err := old.BuildOn(store)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	id, err := before.Trigger(ctx, "order-1", workflow.WithInitialValue[OldOrder, OrderStatus](&OldOrder{Mail: "ada@example.com"}))
	if err != nil {
		log.Fatal(err)
	}

	orders, err := orderSteps().BuildOn(store, workflow.WithObjectVersion(1, upgrades))
	if err != nil {
		log.Fatal(err)
	}
	orders.Run(ctx)
	defer orders.Stop()
	run, err := orders.Await(ctx, "order-1", id, Shipped)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.Object.Email, run.Object.Paid)
	// Output: ada@example.com true
}

// An object above the limit is refused before anything is stored.
func ExampleWithMaxObjectBytes() {
	store := memory.New()
	defer store.Close()
	orders, err := orderSteps().BuildOn(store, workflow.WithMaxObjectBytes(1000))
	if err != nil {
		log.Fatal(err)
	}
	_, err = orders.Trigger(context.Background(), "order-1", workflow.WithInitialValue[Order, OrderStatus](&Order{Email: strings.Repeat("a", 2000)}))
	fmt.Println(errors.Is(err, workflow.ErrTooLarge))
	fmt.Println(err)
	// Output:
	// true
	// trigger "order": initial value: too large: the object has 2025 bytes as it would be stored, the limit is 1000
}
