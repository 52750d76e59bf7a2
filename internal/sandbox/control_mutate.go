package sandbox

import (
	"fmt"
	"net/http"
)

// mutation is the body of POST /stores/{merchant}/mutate.
type mutation struct {
	Act    string `json:"act"`
	ID     int64  `json:"id"`     // of the record that the act is about
	Status string `json:"status"` // a slug of an order, or a product's status
	Price  int64  `json:"price"`  // major units; 0: by chance
	Full   bool   `json:"full"`   // of a refund
	Times  int    `json:"times"`  // how often, for acts that create; 0: once
}

// controlMutate does one act, or a creating act several times, and answers
// what changed.
func (s *Server) controlMutate(r *http.Request) (any, error) {
	m, err := s.pathMerchant(r)
	if err != nil {
		return nil, err
	}
	var in mutation
	if err := read(r, &in); err != nil {
		return nil, err
	}
	create := map[string]func(int64) (Change, error){
		"create_order": s.CreateOrder, "create_product": s.CreateProduct,
		"create_customer": s.CreateCustomer, "abandon_cart": s.AbandonCart,
	}[in.Act]
	if create == nil {
		return s.mutate(m, in)
	}
	var last Change
	for range max(1, min(in.Times, 10000)) {
		if last, err = create(m); err != nil {
			return nil, err
		}
	}
	return last, nil
}

func (s *Server) mutate(m int64, in mutation) (Change, error) {
	switch in.Act {
	case "update_order_status":
		return s.UpdateOrderStatus(m, in.ID, in.Status)
	case "refund_order":
		return s.RefundOrder(m, in.ID, in.Full)
	case "pay_order":
		return s.PayOrder(m, in.ID)
	case "revise_order":
		return s.ReviseOrder(m, in.ID)
	case "delete_order":
		return s.DeleteOrder(m, in.ID)
	case "update_product":
		return s.UpdateProduct(m, in.ID)
	case "change_price":
		return s.ChangePrice(m, in.ID, in.Price)
	case "set_product_status":
		return s.SetProductStatus(m, in.ID, in.Status)
	case "delete_product":
		return s.DeleteProduct(m, in.ID)
	case "update_customer":
		return s.UpdateCustomer(m, in.ID)
	case "delete_customer":
		return s.DeleteCustomer(m, in.ID)
	case "update_cart":
		return s.UpdateCart(m, in.ID)
	case "purchase_cart":
		return s.PurchaseCart(m, in.ID)
	case "leave_cart":
		return s.LeaveCart(m, in.ID)
	case "remove_cart":
		return s.RemoveCart(m, in.ID)
	}
	return Change{}, fmt.Errorf("no act %q", in.Act)
}
