package sandbox

// tables are the words that stores are made of, built once for a Server.
type tables struct {
	men, women, families                       []person
	owners, stores                             []string
	places                                     []place
	districts, streets                         []string
	goods                                      []good
	colours, flavours, couriers, coupons, bank []string
	statuses                                   []status
	payments                                   []string
}

func newTables() *tables {
	return &tables{
		men: menNames(), women: womenNames(), families: familyNames(),
		owners: ownerNames(), stores: storeNames(),
		places: places(), districts: districts(), streets: streets(),
		goods: goods(), colours: colours(), flavours: flavours(),
		couriers: couriers(), coupons: coupons(), bank: banks(),
		statuses: orderStatuses(),
		payments: []string{"mada", "mada", "credit_card", "credit_card", "apple_pay", "apple_pay", "bank", "cod", "stc_pay", "tamara_installment", "tabby_installment"},
	}
}
